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

// Every model has threads, connections and batches of its own.
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
    /// The models that are served.
    pub models: ServedModelSettings,
    /// How ONNX Runtime runs models.
    pub runtime: RuntimeSettings,
    /// Downloading and decoding.
    pub fetch: FetchSettings,
    /// The limits of one picture, and the size of its thumbnail.
    pub picture: PictureSettings,
    /// When a batch is inferred and committed.
    pub batch: BatchSettings,
    /// Where health and metrics are served.
    pub http: HttpSettings,
}

/// `[models]`: the models that make vectors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServedModelSettings {
    /// Built-in names, names of folders below `folder`, or paths of folders.
    #[serde(deserialize_with = "list")]
    pub serve: Vec<String>,
    /// Where the folders of models lie.
    pub folder: String,
    /// Pictures per run of a model; 0: the default of the processor that runs it.
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
        self.worker().validate(StageKind::Embed)?;
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
        Ok(())
    }
}

impl Settings {
    /// The settings that a worker of any kind has.
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
