//! All settings of the captioner; `settings.toml` documents them.

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

// Each is written for every picture.
const MOST_LANGUAGES: usize = 8;
const MOST_TOKENS: usize = 1024;

/// All settings of the captioner.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the pictures lie.
    pub bucket: BucketSettings,
    /// The broker.
    pub amqp: AmqpSettings,
    /// Logging.
    pub log: LogSettings,
    /// Who describes pictures, and in what.
    pub captions: CaptionerSettings,
    /// Words beside the sentences.
    pub keywords: KeywordSettings,
    /// The endpoint that describes pictures, where one does.
    pub openai: OpenAiSettings,
    /// How models are run.
    pub runtime: RuntimeSettings,
    /// Downloading and decoding.
    pub fetch: FetchSettings,
    /// Limits of one picture.
    pub picture: PictureSettings,
    /// What is committed together.
    pub batch: BatchSettings,
    /// Where health and metrics are served.
    pub http: HttpSettings,
}

/// `[captions]`: who describes pictures, and in what.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionerSettings {
    /// Who describes them.
    pub provider: ProviderName,
    /// Built-in captioner, name of a folder below `folder`, or path of a folder.
    pub model: String,
    /// Names the stage and the table; empty: the model's id.
    pub id: String,
    /// What captions are written in, the main one first.
    #[serde(deserialize_with = "list")]
    pub languages: Vec<String>,
    /// Longest caption in tokens; 0: as the model says.
    pub max_tokens: usize,
    /// The model whose text tower makes the captions' vectors.
    pub text_model: String,
    /// Where the folders of models lie.
    pub folder: String,
    /// Pictures per run; 0: by what runs the model.
    pub max_batch: usize,
}

/// Who describes pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderName {
    /// A model in this process.
    Onnx,
    /// An endpoint that speaks OpenAI's chat completions.
    OpenAi,
}

/// `[keywords]`: words beside the sentences.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeywordSettings {
    /// Whether there are any.
    pub enabled: bool,
    /// Most terms per picture; each is there in all languages of the captions.
    pub most: usize,
    /// How far a picture must stand out for a term.
    pub threshold: f32,
    /// Languages that the text tower understands, of `en` and `zh`.
    #[serde(deserialize_with = "list")]
    pub understood: Vec<String>,
    /// Terms that the text tower knows; none means the whole vocabulary.
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
    /// What a worker of any kind needs of them.
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
                let problem = "must be set where an endpoint describes pictures: it names the stage and the table";
                return Err(SettingsError::value("captions.id", problem));
            }
        }
        Ok(())
    }
}
