//! Captions and keywords from an endpoint that speaks OpenAI's chat completions: a hosted model, or
//! vLLM, Ollama or llama.cpp.
//!
//! The endpoint gets a small JPEG made here, never the original with its metadata, the prompt, and
//! a JSON schema of the answer. An answer without a usable caption in every language is a failure.

mod answer;
mod answer_text;
mod circuit_breaker;
mod completion;
mod endpoint;
mod http_error;
mod language;
mod outcome;
mod prompt;
mod quotation;
mod rate_limiter;
mod request;
mod response;
mod retry;
mod settings;
mod wrapping;

use std::time::Duration;

use moka::future::Cache;
use pipeline::{Action, Failure};
use secrecy::SecretString;
use service::settings::SettingsError;
use tokio::sync::Semaphore;

pub use settings::{KEY_VARIABLE, OpenAiSettings, key_from_environment};

use crate::description::Description;
use answer::AnswerError;
use circuit_breaker::CircuitBreaker;
use completion::ModelAnswer;
use endpoint::Endpoint;
use http_error::shortened;

/// How long a description is remembered: after one failure a worker halves its batch and asks about
/// the other pictures again.
const REMEMBERED: Duration = Duration::from_secs(60);
const MOST_REMEMBERED: u64 = 4096;

/// The endpoint, with its limits and what is known about its health. There is one for the whole
/// process: several would each have limits and a circuit breaker of their own.
pub struct OpenAi {
    languages: Vec<String>,
    prompt: String,
    endpoint: Endpoint,
    /// One permit per picture that may be described at the same time.
    places: Semaphore,
    breaker: CircuitBreaker,
    remembered: Cache<String, Result<Description, Failure>>,
}

impl OpenAi {
    /// Sends nothing yet. The process must have chosen its cryptography before (`process::main`
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
            let problem = "must name at least one language";
            return Err(SettingsError::value("captions.languages", problem));
        }
        metrics::gauge!("bucketlens_provider_breaker_open").set(0.0);
        Ok(Self {
            languages: languages.to_vec(),
            prompt: prompt::prompt(&settings.prompt, languages),
            endpoint: Endpoint::new(settings.clone(), key)?,
            places: Semaphore::new(settings.concurrency),
            breaker: CircuitBreaker::new(settings.open_after, settings.cool_down),
            remembered: Cache::builder()
                .max_capacity(MOST_REMEMBERED)
                .time_to_live(REMEMBERED)
                .build(),
        })
    }

    /// The whole prompt: captions depend on it and on the model.
    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    /// The model's name, as the endpoint knows it.
    pub fn model(&self) -> &str {
        &self.endpoint.settings.model
    }

    /// Captions and keywords of one picture. Waits for a free place, for the rate limit and for the
    /// endpoint. A description or refusal of `image_id` of the last minute is given again.
    ///
    /// # Errors
    /// Halt, `provider_unavailable`: the endpoint cannot be reached, fails, or did so too often.
    /// Halt, `provider_refused`: no picture will be taken until a setting or the key changes. Dead
    /// letter, `picture_refused` or `refused`: the endpoint or the model does not take this
    /// picture. Retry, `empty_caption`, `cut_answer` or `malformed_answer`: another answer may be
    /// better.
    pub async fn describe(&self, image_id: &str, jpeg: Vec<u8>) -> Result<Description, Failure> {
        if let Some(known) = self.remembered.get(image_id).await {
            return known;
        }
        // Before the queue: while the breaker is open nobody waits.
        self.breaker.check().map_err(|open| retry::breaker_open(&self.endpoint, &open))?;
        let place = self.places.acquire().await;
        let _place = place.map_err(|closed| self.endpoint.unavailable(&closed.to_string()))?;
        let settings = &self.endpoint.settings;
        let body = request::body(settings, &self.prompt, &self.languages, &jpeg);
        drop(jpeg);
        let answer = retry::answer(&self.endpoint, &self.breaker, image_id, body).await;
        let result = answer.and_then(|answer| self.description(&answer));
        if !matches!(&result, Err(Failure { action: Action::Retry | Action::Halt, .. })) {
            self.remembered.insert(image_id.to_owned(), result.clone()).await;
        }
        result
    }

    fn description(&self, answer: &ModelAnswer) -> Result<Description, Failure> {
        let ModelAnswer { text, refused, cut } = answer;
        let (endpoint, said) = (&self.endpoint, shortened(text));
        if *refused {
            let reason = format!("it does not describe this picture: {said}");
            return Err(Failure::dead_letter("refused", endpoint.reason(&reason)));
        }
        let read = answer::read(text, &self.languages);
        // A whole object may end at the limit of tokens. A sentence there may lack its end.
        let ends = text.trim_end_matches(|c: char| c.is_whitespace() || c == '`').ends_with('}');
        if *cut && !(ends && read.is_ok()) {
            let advice = "raise openai.max_tokens, or take a model that thinks less";
            let reason = format!("the answer is cut; {advice}");
            return Err(Failure::retry("cut_answer", endpoint.reason(&reason)));
        }
        read.map_err(|error| match error {
            AnswerError::Empty => {
                let reason = "it says nothing about the picture";
                Failure::retry("empty_caption", endpoint.reason(reason))
            }
            AnswerError::Malformed(why) => {
                let reason = format!("{}: {said}", shortened(&why));
                Failure::retry("malformed_answer", endpoint.reason(&reason))
            }
        })
    }
}
