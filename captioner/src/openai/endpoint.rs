//! The connection to the endpoint: address, key and rate limit. Reasons of failures name the model
//! and the address here.

use std::time::{Duration, Instant};

use bytes::Bytes;
use pipeline::Failure;
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use service::settings::SettingsError;

use super::outcome::ExchangeOutcome;
use super::rate_limiter::RateLimiter;
use super::response;
use super::settings::{KEY_VARIABLE, OpenAiSettings};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Shorter keys are placeholders for servers that accept any key. Removing them from a text would
/// garble it.
const SHORTEST_SECRET: usize = 8;

pub(super) struct Endpoint {
    pub(super) settings: OpenAiSettings,
    url: String,
    headers: HeaderMap,
    key: Option<SecretString>,
    client: Client,
    rate_limiter: RateLimiter,
}

impl Endpoint {
    /// Sends nothing yet.
    ///
    /// # Errors
    /// The key cannot be sent, or the client cannot be made of the settings.
    pub(super) fn new(
        settings: OpenAiSettings,
        key: Option<SecretString>,
    ) -> Result<Self, SettingsError> {
        let client = Client::builder()
            .user_agent(concat!("bucketlens/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
            .timeout(settings.timeout)
            // A redirection would carry the picture to another server.
            .redirect(Policy::none())
            .build()
            .map_err(|error| {
                SettingsError::value("openai.base_url", format!("cannot be used: {error}"))
            })?;
        Ok(Self {
            url: format!("{}/chat/completions", settings.base_url.trim_end_matches('/')),
            headers: authorization(key.as_ref())?,
            key,
            client,
            rate_limiter: RateLimiter::new(settings.requests_per_minute),
            settings,
        })
    }

    /// Waits for its turn, then sends one request.
    pub(super) async fn exchange(&self, body: Bytes) -> ExchangeOutcome {
        self.rate_limiter.turn().await;
        let begun = Instant::now();
        let outcome = self.send(body).await;
        metrics::histogram!("bucketlens_provider_seconds").record(begun.elapsed().as_secs_f64());
        metrics::counter!("bucketlens_provider_requests_total", "outcome" => outcome.label())
            .increment(1);
        outcome
    }

    async fn send(&self, body: Bytes) -> ExchangeOutcome {
        let request = self.client.post(&self.url).headers(self.headers.clone());
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        match request.send().await {
            Ok(response) => {
                let OpenAiSettings { max_answer_bytes, json, .. } = self.settings;
                response::outcome(response, max_answer_bytes, json).await
            }
            Err(error) => ExchangeOutcome::Unavailable(response::reason(&error), None),
        }
    }

    /// The failure of an endpoint that cannot be asked now.
    pub(super) fn unavailable(&self, why: &str) -> Failure {
        Failure::halt("provider_unavailable", self.reason(why))
    }

    /// A reason that names the model and the address, without the key.
    pub(super) fn reason(&self, told: &str) -> String {
        let OpenAiSettings { model, base_url, .. } = &self.settings;
        format!("model `{model}` at {base_url}: {}", self.without_key(told))
    }

    /// The text without the key, which some endpoints repeat.
    pub(super) fn without_key(&self, text: &str) -> String {
        match &self.key {
            Some(key) if key.expose_secret().len() >= SHORTEST_SECRET => {
                text.replace(key.expose_secret(), "…")
            }
            _ => text.to_owned(),
        }
    }
}

fn authorization(key: Option<&SecretString>) -> Result<HeaderMap, SettingsError> {
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        let value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()));
        let mut value = value
            .map_err(|_| SettingsError::value(KEY_VARIABLE, "holds characters that no key has"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}
