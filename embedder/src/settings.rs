//! All settings of the embedder; `settings.toml` documents them.

use inference::RuntimeSettings;
use pipeline::batch::BatchSettings;
use pipeline::bucket::BucketSettings;
use pipeline::connection::AmqpSettings;
use pipeline::stage_kind::StageKind;
use pipeline::worker::FetchSettings;
use serde::Deserialize;
use service::http::HttpSettings;
use service::process::ProcessSettings;
use service::settings::{self, SettingsError, list};
use service::telemetry::LogSettings;
use worker::{PictureSettings, WorkerSettings};

// Each has threads, connections and batches of its own.
const MOST_MODELS: usize = 16;

/// All settings of the embedder; `settings.toml` documents them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the pictures lie.
    pub bucket: BucketSettings,
    /// The broker.
    pub amqp: AmqpSettings,
    /// Logging.
    pub log: LogSettings,
    /// Which models.
    pub models: ServedModelSettings,
    /// How models are run.
    pub runtime: RuntimeSettings,
    /// Downloading and decoding.
    pub fetch: FetchSettings,
    /// Limits of one picture, size of the small one.
    pub picture: PictureSettings,
    /// What is committed together.
    pub batch: BatchSettings,
    /// Where health and metrics are served.
    pub http: HttpSettings,
}

/// `[models]`: which models make vectors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServedModelSettings {
    /// Built-in names, names of folders below `folder`, or paths of folders.
    #[serde(deserialize_with = "list")]
    pub serve: Vec<String>,
    /// Where the folders of models lie.
    pub folder: String,
    /// Pictures per run; 0: by what runs the model.
    pub max_batch: usize,
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
        self.bucket.validate()?;
        self.amqp.validate()?;
        self.fetch.validate()?;
        self.batch.validate()?;
        if self.models.max_batch > 1024 {
            return Err(SettingsError::value("models.max_batch", "must be at most 1024"));
        }
        if !(1..=MOST_MODELS).contains(&self.models.serve.len()) {
            return Err(SettingsError::value(
                "models.serve",
                format!("must name 1 to {MOST_MODELS} models"),
            ));
        }
        for (place, name) in self.models.serve.iter().enumerate() {
            if self.models.serve[..place].contains(name) {
                return Err(SettingsError::value("models.serve", format!("names '{name}' twice")));
            }
        }
        self.picture.validate(StageKind::Embed)
    }
}

impl Settings {
    /// What a worker of any kind needs of them.
    pub(crate) fn worker(&self) -> WorkerSettings {
        WorkerSettings {
            bucket: self.bucket.clone(),
            amqp: self.amqp.clone(),
            fetch: self.fetch.clone(),
            batch: self.batch.clone(),
            max_decoded_in_flight: self.picture.max_decoded_in_flight,
            http: self.http.clone(),
        }
    }
}
