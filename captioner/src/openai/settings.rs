//! `[openai]`: which endpoint writes captions, and its limits.

use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use serde::Deserialize;
use service::settings::SettingsError;

/// The environment variable with the endpoint's key. It is not a setting, because settings files
/// are shown and committed.
pub const KEY_VARIABLE: &str = "BUCKETLENS_OPENAI_API_KEY";

/// `[openai]`: an endpoint that speaks OpenAI's chat completions, with a model that sees pictures.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenAiSettings {
    /// Address without `/chat/completions`.
    pub base_url: String,
    /// Name of the model, as the endpoint knows it.
    pub model: String,
    /// The prompt; empty: the built-in one. The shape of the answer is always appended.
    pub prompt: String,
    /// Time limit of one request, answer included.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Most requests for one picture before its job is retried later.
    pub tries: u32,
    /// Requests per minute, evenly spread; 0: no limit.
    pub requests_per_minute: u32,
    /// Most pictures described at the same time.
    pub concurrency: usize,
    /// Largest answer that is read, in bytes.
    pub max_answer_bytes: usize,
    /// Most tokens of an answer; 0: the endpoint decides.
    pub max_tokens: u32,
    /// Whether requests carry `response_format` with a JSON schema. Some endpoints do not know it.
    pub json: bool,
    /// Failed pictures in a row that open the circuit breaker.
    pub open_after: u32,
    /// How long the circuit breaker stays open.
    #[serde(with = "humantime_serde")]
    pub cool_down: Duration,
}

impl OpenAiSettings {
    /// Checks what types cannot express.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let wrong = |name: &str, problem: &str| {
            Err(SettingsError::value(format!("openai.{name}"), problem))
        };
        let usable = |url: Url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        if !Url::parse(&self.base_url).is_ok_and(usable) {
            return wrong(
                "base_url",
                "must be an http or https address without user, password, query and fragment, \
                 such as http://127.0.0.1:11434/v1",
            );
        }
        if self.model.trim().is_empty() {
            return wrong("model", "must name the model that the endpoint serves");
        }
        let seconds = Duration::from_secs;
        for (name, good, range) in [
            (
                "timeout",
                (Duration::from_millis(100)..=seconds(3600)).contains(&self.timeout),
                "100ms to 1h",
            ),
            ("tries", (1..=10).contains(&self.tries), "1 to 10"),
            ("requests_per_minute", self.requests_per_minute <= 60_000, "0 (no limit) to 60000"),
            ("concurrency", (1..=256).contains(&self.concurrency), "1 to 256"),
            (
                "max_answer_bytes",
                (1024..=1 << 24).contains(&self.max_answer_bytes),
                "1024 to 16777216 (16 MiB)",
            ),
            ("max_tokens", self.max_tokens <= 32_768, "0 (the endpoint decides) to 32768"),
            ("open_after", (1..=1000).contains(&self.open_after), "1 to 1000"),
            (
                "cool_down",
                (Duration::from_millis(10)..=seconds(3600)).contains(&self.cool_down),
                "10ms to 1h",
            ),
        ] {
            if !good {
                return wrong(name, &format!("must be from {range}"));
            }
        }
        Ok(())
    }
}

/// The key in the environment. `None` if it is not set or empty: local servers need none.
pub fn key_from_environment() -> Option<SecretString> {
    std::env::var(KEY_VARIABLE)
        .ok()
        .map(|key| key.trim().to_owned())
        .filter(|key| !key.is_empty())
        .map(SecretString::from)
}
