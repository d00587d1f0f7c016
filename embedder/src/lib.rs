//! The embedder: pixels → vectors. Consumes the jobs of one stage per model and appends to `images`
//! and `embeddings_<model>`.

mod embed;
mod facts;
pub mod models;
mod serve;
mod shared;
mod status;

use std::net::SocketAddr;
use std::sync::Arc;

use inference::RuntimeSettings;
use pipeline::batch::BatchSettings;
use pipeline::bucket::{Bucket, BucketSettings};
use pipeline::connection::AmqpSettings;
use pipeline::health::Health;
use pipeline::service::{self, HttpSettings, Shared};
use pipeline::settings::{self, SettingsError, list};
use pipeline::state::State;
use pipeline::telemetry::LogSettings;
use pipeline::worker::FetchSettings;
use serde::Deserialize;
use table::location::Location;
use table::probe::ProbeError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::serve::Process;
use crate::status::Running;

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
    pub models: ModelSettings,
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
pub struct ModelSettings {
    /// Built-in names, names of folders below `folder`, or paths of folders.
    #[serde(deserialize_with = "list")]
    pub serve: Vec<String>,
    /// Where the folders of models lie.
    pub folder: String,
    /// Pictures per run; 0: by what runs the model.
    pub max_batch: usize,
}

/// `[picture]`: limits of one picture and the size of its thumbnail.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureSettings {
    /// Most pixels, width times height.
    pub max_pixels: u64,
    /// Longest side in pixels.
    pub max_side: u32,
    /// Memory one decoder may take.
    pub max_decoded_bytes: u64,
    /// Memory all decoders and what they gave may take together.
    pub max_decoded_in_flight: u64,
    /// Longest side of the stored small picture.
    pub thumbnail_side: u32,
}

impl settings::Settings for Settings {
    const DEFAULTS: &'static str = include_str!("../settings.toml");

    fn shared(&self) -> Shared {
        Shared { log: self.log.clone(), http: self.http.clone() }
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
        if self.picture.max_decoded_in_flight < 1 << 20 {
            return Err(SettingsError::value(
                "picture.max_decoded_in_flight",
                "must be at least 1048576 (1 MiB)",
            ));
        }
        if !(16..=2048).contains(&self.picture.thumbnail_side) {
            return Err(SettingsError::value("picture.thumbnail_side", "must be from 16 to 2048"));
        }
        Ok(())
    }
}

/// Runs the embedder until shutdown.
///
/// The order matters: a model is warm and the store is proven before the first job is taken,
/// because from then on what is delivered counts as begun.
///
/// A model or a store that is away keeps it waiting, unready; it goes on by itself once they are
/// there. One model does not wait for another.
///
/// # Errors
/// The socket cannot be used, or a model, the store or the tables are not what they must be.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let health = Health::default();
    health.expect(&["store"]);
    for name in &settings.models.serve {
        health.expect(&[&serve::condition(name)]);
    }
    let listener = service::bind(&settings.http).await?;
    let address = listener.local_addr()?;
    // Answers until the last delivery is settled: "not ready" says more than a closed port.
    let finished = CancellationToken::new();
    let running = Running::default();
    let http = tokio::spawn(service::serve(
        listener,
        running.clone().router(),
        health.clone(),
        finished.clone(),
    ));
    let worked = work(settings, address, health, running, shutdown).await;
    finished.cancel();
    http.await??;
    worked
}

async fn work(
    settings: Settings,
    address: SocketAddr,
    health: Health,
    running: Running,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let location =
        Location { uri: settings.bucket.tables_uri(), options: settings.bucket.storage_options() };
    let away = |error: &ProbeError| matches!(error, ProbeError::Request { .. });
    let Some(()) =
        service::until_works(&health, "store", &shutdown, away, || table::probe::probe(&location))
            .await?
    else {
        return Ok(());
    };
    let bucket = Bucket::connect(&settings.bucket).await;
    let state = State::new(bucket.clone(), &settings.bucket);
    // Where one model ends by a failure, the others end too.
    let (names, shutdown) = (settings.models.serve.clone(), shutdown.child_token());
    let decided = pipeline::models::follow(state);
    let process =
        Arc::new(Process::new(settings, bucket, location, decided, health, running, address));
    let mut serving = JoinSet::new();
    for name in names {
        serving.spawn(serve::serve(Arc::clone(&process), name, shutdown.clone()));
    }
    let mut worked = Ok(());
    while let Some(ended) = serving.join_next().await {
        if let Err(error) = ended.unwrap_or_else(|panic| Err(panic.into())) {
            shutdown.cancel();
            worked = worked.and(Err(error));
        }
    }
    worked
}
