//! Captions and keywords from an endpoint that speaks OpenAI's chat completions: a hosted model, or
//! vLLM, Ollama or llama.cpp.
//!
//! The endpoint gets a small JPEG made by us, never the original with its metadata, and the words
//! asked for. What it answers is read leniently and trusted little: an answer without a true
//! caption in every language is a failure.

mod ask;
mod breaker;
mod completion;
mod declined;
mod exchange;
mod keywords;
mod object;
mod pace;
mod preamble;
mod prompt;
mod refusal;
mod reader;
mod sentence;
mod settings;
mod thinking;

use std::time::Duration;

use moka::future::Cache;
use pipeline::{Action, Failure};
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use service::settings::SettingsError;
use tokio::sync::Semaphore;

pub use settings::{KEY_VARIABLE, OpenAiSettings, key_from_environment};

use breaker::Breaker;
use pace::Pace;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long an outcome is remembered: a worker that halves a batch after one failure asks about the
/// others again.
const REMEMBERED: Duration = Duration::from_secs(60);
const MOST_REMEMBERED: u64 = 4096;

/// What a model says about a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Language and sentence, for every language asked for, in that order.
    pub captions: Vec<(String, String)>,
    /// Keywords in these languages, mixed, best first as the model gives them; may be empty.
    pub keywords: Vec<String>,
}

/// The endpoint, with its budget and what is known about its health. One for the whole process:
/// clones of the connection, the budget and the breaker would each count for themselves.
pub struct OpenAi {
    settings: OpenAiSettings,
    languages: Vec<String>,
    prompt: String,
    url: String,
    headers: HeaderMap,
    key: Option<SecretString>,
    client: Client,
    places: Semaphore,
    pace: Pace,
    breaker: Breaker,
    remembered: Cache<String, Result<Described, Failure>>,
}

impl OpenAi {
    /// Asks nothing yet. The process must have chosen its cryptography before (`process::main`
    /// does).
    ///
    /// # Errors
    /// A setting that cannot be used, no language, or a key that cannot be sent.
    pub fn new(
        settings: &OpenAiSettings,
        languages: &[String],
        key: Option<SecretString>,
    ) -> Result<Self, SettingsError> {
        settings.validate()?;
        if languages.is_empty() {
            return Err(SettingsError::value(
                "captions.languages",
                "must name at least one language",
            ));
        }
        let mut headers = HeaderMap::new();
        if let Some(key) = &key {
            let value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()));
            let mut value = value.map_err(|_| {
                SettingsError::value(KEY_VARIABLE, "holds characters that no key has")
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let client = Client::builder()
            .user_agent(concat!("bucketlens/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
            .timeout(settings.timeout)
            // A redirection would carry the picture to somewhere else.
            .redirect(Policy::none())
            .build()
            .map_err(|error| {
                SettingsError::value("openai.base_url", format!("cannot be used: {error}"))
            })?;
        metrics::gauge!("bucketlens_provider_breaker_open").set(0.0);
        Ok(Self {
            languages: languages.to_vec(),
            prompt: prompt::prompt(&settings.prompt, languages),
            url: format!("{}/chat/completions", settings.base_url.trim_end_matches('/')),
            headers,
            key,
            client,
            places: Semaphore::new(settings.concurrency),
            pace: Pace::new(settings.requests_per_minute),
            breaker: Breaker::new(settings.open_after, settings.cool_down),
            remembered: Cache::builder()
                .max_capacity(MOST_REMEMBERED)
                .time_to_live(REMEMBERED)
                .build(),
            settings: settings.clone(),
        })
    }

    /// The whole text that is asked: what captions depend on beside the model.
    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    /// The model's name, as the endpoint knows it.
    pub fn model(&self) -> &str {
        &self.settings.model
    }

    /// Captions and keywords of one picture. Waits for its place, its turn and the endpoint; what
    /// is known about `image_id` since a minute is not asked again.
    ///
    /// # Errors
    /// Halt, `provider_unavailable`: the endpoint cannot be reached, fails, or did so too often.
    /// Halt, `provider_refused`: no picture will be taken until a setting or the key changes. Dead
    /// letter, `picture_refused` or `refused`: the endpoint or the model does not take this
    /// picture. Retry, `empty_caption`, `cut_answer` or `malformed_answer`: another answer may be
    /// better.
    pub async fn describe(&self, image_id: &str, jpeg: Vec<u8>) -> Result<Described, Failure> {
        if let Some(known) = self.remembered.get(image_id).await {
            return known;
        }
        // Before the queue: while the breaker is open nobody waits.
        self.breaker.check().map_err(|refusal| self.left_alone(&refusal))?;
        let _place =
            self.places.acquire().await.map_err(|closed| self.unavailable(&closed.to_string()))?;
        let body = exchange::body(&self.settings, &self.prompt, &jpeg);
        drop(jpeg);
        let result = self.ask(image_id, body).await;
        if !matches!(&result, Err(Failure { action: Action::Retry | Action::Halt, .. })) {
            self.remembered.insert(image_id.to_owned(), result.clone()).await;
        }
        result
    }
}
