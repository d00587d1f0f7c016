//! All settings of the captioner. `settings.toml` documents them.

use inference::RuntimeSettings;
use pipeline::batch::BatchSettings;
use pipeline::bucket::BucketSettings;
use pipeline::connection::AmqpSettings;
use pipeline::models::check_id;
use pipeline::stage_kind::StageKind;
use pipeline::worker::FetchSettings;
use serde::Deserialize;
use service::http::HttpSettings;
use service::process::ProcessSettings;
use service::settings::{self, SettingsError, list};
use service::telemetry::LogSettings;
use worker::{PictureSettings, WorkerSettings};

use crate::openai::OpenAiSettings;

/// Every picture gets a caption in each language, so their number is a cost.
const MOST_LANGUAGES: usize = 8;
const MOST_TOKENS: usize = 1024;

/// All settings of the captioner.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The bucket with the pictures.
    pub bucket: BucketSettings,
    /// The broker.
    pub amqp: AmqpSettings,
    /// Logging.
    pub log: LogSettings,
    /// The provider of captions, and their languages.
    pub captions: CaptionerSettings,
    /// Keywords beside the captions.
    pub keywords: KeywordSettings,
    /// The endpoint, used if `captions.provider` is `openai`.
    pub openai: OpenAiSettings,
    /// How models are run.
    pub runtime: RuntimeSettings,
    /// Downloading and decoding.
    pub fetch: FetchSettings,
    /// Limits of one picture.
    pub picture: PictureSettings,
    /// Which rows are committed together.
    pub batch: BatchSettings,
    /// The address of health and metrics.
    pub http: HttpSettings,
}

/// `[captions]`: the provider of captions, and their languages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionerSettings {
    /// Who writes the captions.
    pub provider: ProviderName,
    /// A built-in captioner, the name of a folder below `folder`, or the path of a folder.
    pub model: String,
    /// Part of the names of stage and table; empty: the model's id.
    pub id: String,
    /// Languages of the captions, the main one first.
    #[serde(deserialize_with = "list")]
    pub languages: Vec<String>,
    /// Longest caption in tokens; 0: as the model says.
    pub max_tokens: usize,
    /// The model whose text tower makes the captions' vectors.
    pub text_model: String,
    /// The folder that holds the folders of models.
    pub folder: String,
    /// Pictures per run of the model; 0: chosen by processor.
    pub max_batch: usize,
}

/// Who writes the captions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderName {
    /// A model in this process.
    Onnx,
    /// An endpoint that speaks OpenAI's chat completions.
    OpenAi,
}

/// `[keywords]`: keywords beside the captions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeywordSettings {
    /// Whether pictures get keywords.
    pub enabled: bool,
    /// Most terms per picture. Each is stored in all languages of the captions and counts once.
    pub most: usize,
    /// How far a picture must stand out for a term, in spreads.
    pub threshold: f32,
    /// Languages that the text tower understands, of `en` and `zh`.
    #[serde(deserialize_with = "list")]
    pub understood: Vec<String>,
    /// Terms that the text tower knows; empty: the whole vocabulary.
    #[serde(deserialize_with = "list")]
    pub known: Vec<String>,
}

impl KeywordSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        if !(1..=100).contains(&self.most) {
            return Err(SettingsError::value("keywords.most", "must be from 1 to 100"));
        }
        if !(0.0..=100.0).contains(&self.threshold) {
            return Err(SettingsError::value("keywords.threshold", "must be from 0 to 100"));
        }
        if let Some(unknown) =
            self.known.iter().find(|name| inference::keywords::term(name).is_none())
        {
            return Err(SettingsError::value(
                "keywords.known",
                format!("names '{unknown}', which the vocabulary does not hold"),
            ));
        }
        if self.understood.is_empty()
            || self.understood.iter().any(|language| language != "en" && language != "zh")
        {
            return Err(SettingsError::value("keywords.understood", "must name en, zh or both"));
        }
        Ok(())
    }
}

impl Settings {
    /// The settings that every kind of worker needs.
    pub(crate) fn worker(&self) -> WorkerSettings {
        WorkerSettings {
            bucket: self.bucket.clone(),
            amqp: self.amqp.clone(),
            fetch: self.fetch.clone(),
            picture: self.picture.clone(),
            batch: self.batch.clone(),
            http: self.http.clone(),
        }
    }
}

impl CaptionerSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        if self.provider == ProviderName::Onnx && self.model.is_empty() {
            return Err(SettingsError::value("captions.model", "must name a captioner"));
        }
        if self.text_model.is_empty() {
            return Err(SettingsError::value(
                "captions.text_model",
                "must name a model with a text tower",
            ));
        }
        if !self.id.is_empty() {
            check_id(&self.id)
                .map_err(|error| SettingsError::value("captions.id", error.to_string()))?;
        }
        if !(1..=MOST_LANGUAGES).contains(&self.languages.len()) {
            return Err(SettingsError::value(
                "captions.languages",
                format!("must name 1 to {MOST_LANGUAGES} languages"),
            ));
        }
        for (place, language) in self.languages.iter().enumerate() {
            if self.languages[..place].contains(language) {
                return Err(SettingsError::value(
                    "captions.languages",
                    format!("names '{language}' twice"),
                ));
            }
        }
        if self.max_tokens > MOST_TOKENS {
            return Err(SettingsError::value(
                "captions.max_tokens",
                format!("must be at most {MOST_TOKENS}"),
            ));
        }
        if self.max_batch > 1024 {
            return Err(SettingsError::value("captions.max_batch", "must be at most 1024"));
        }
        Ok(())
    }
}

impl settings::Settings for Settings {
    const DEFAULTS: &'static [&'static str] = &[
        pipeline::DEFAULTS,
        inference::DEFAULTS,
        worker::DEFAULTS,
        include_str!("../settings.toml"),
    ];

    fn process(&self) -> ProcessSettings {
        ProcessSettings { log: self.log.clone(), http: self.http.clone() }
    }

    fn validate(&self) -> Result<(), SettingsError> {
        self.worker().validate(StageKind::Caption)?;
        self.captions.validate()?;
        self.keywords.validate()?;
        if self.captions.provider == ProviderName::OpenAi {
            self.openai.validate()?;
            if self.captions.id.is_empty() {
                let problem = "must be set if captions.provider is openai: \
                               it names the stage and the table";
                return Err(SettingsError::value("captions.id", problem));
            }
        }
        Ok(())
    }
}
