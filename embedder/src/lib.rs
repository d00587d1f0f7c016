//! The embedder: pixels → vectors. Consumes `embed` jobs and appends to `images` and `embeddings_<model>`.

mod embed;

use std::net::SocketAddr;

use inference::{ImageEncoder, Manifest, Model, ModelError, Runtime, RuntimeSettings};
use pipeline::batch::BatchSettings;
use pipeline::bucket::{Bucket, BucketSettings};
use pipeline::connection::AmqpSettings;
use pipeline::consume::Subscription;
use pipeline::health::Health;
use pipeline::job::StageName;
use pipeline::publish::Publisher;
use pipeline::service::{self, HttpSettings, Shared};
use pipeline::settings::{self, SettingsError};
use pipeline::settle::Settler;
use pipeline::state::State;
use pipeline::switch::Switch;
use pipeline::telemetry::LogSettings;
use pipeline::topology::Topology;
use pipeline::worker::{self, FetchSettings, HALT_HOLD, Parts};
use serde::Deserialize;
use table::TableError;
use table::embeddings::Embeddings;
use table::images::Images;
use table::location::{Access, Location};
use table::probe::ProbeError;
use table::schema::Space;
use tokio_util::sync::CancellationToken;

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
    /// Which model.
    pub model: ModelSettings,
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

/// `[model]`: which model makes the vectors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// Built-in name or folder.
    pub name: String,
    /// Pictures per run.
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
        if !(1..=1024).contains(&self.model.max_batch) {
            return Err(SettingsError::value("model.max_batch", "must be from 1 to 1024"));
        }
        if self.picture.max_decoded_in_flight < 1 << 20 {
            return Err(SettingsError::value("picture.max_decoded_in_flight", "must be at least 1048576 (1 MiB)"));
        }
        if !(16..=2048).contains(&self.picture.thumbnail_side) {
            return Err(SettingsError::value("picture.thumbnail_side", "must be from 16 to 2048"));
        }
        Ok(())
    }
}

/// Runs the embedder until shutdown.
///
/// The order matters: the model is warm and the store is proven before the first job is taken, because from then on
/// what is delivered counts as begun.
///
/// A model or a store that is away keeps it waiting, unready; it goes on by itself once they are there.
///
/// # Errors
/// The socket cannot be used, or the model, the store or the tables are not what they must be.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let health = Health::default();
    health.expect(&["model", "store", "publisher", "consumer"]);
    let listener = service::bind(&settings.http).await?;
    let address = listener.local_addr()?;
    // Answers until the last delivery is settled: "not ready" says more than a closed port.
    let finished = CancellationToken::new();
    let http = tokio::spawn(service::serve(listener, axum::Router::new(), health.clone(), finished.clone()));
    let worked = work(settings, address, health, shutdown).await;
    finished.cancel();
    http.await??;
    worked
}

async fn work(settings: Settings, address: SocketAddr, health: Health, shutdown: CancellationToken) -> anyhow::Result<()> {
    let load = || {
        let (runtime, model) = (settings.runtime.clone(), settings.model.clone());
        async move { anyhow::Ok(tokio::task::spawn_blocking(move || load(&runtime, &model)).await??) }
    };
    let missing = |error: &anyhow::Error| error.downcast_ref().is_some_and(ModelError::may_pass);
    let loaded = service::until_works(&health, "model", &shutdown, missing, load).await?;
    let Some((encoder, manifest, manifest_hash)) = loaded else { return Ok(()) };
    tracing::info!(model = manifest.id, provider = encoder.provider(), dim = encoder.dim(), "model is warm");

    let bucket = Bucket::connect(&settings.bucket).await;
    let location = Location { uri: settings.bucket.tables_uri(), options: settings.bucket.storage_options() };
    let away = |error: &ProbeError| matches!(error, ProbeError::Request { .. });
    let Some(()) = service::until_works(&health, "store", &shutdown, away, || table::probe::probe(&location)).await? else {
        return Ok(());
    };
    let space = Space { model: manifest.id.clone(), space: manifest.space.clone(), manifest_hash, dim: encoder.dim() };
    let opened = service::until_works(&health, "store", &shutdown, TableError::may_pass, || tables(&location, &space)).await?;
    let Some((images, embeddings)) = opened else { return Ok(()) };
    let stage = embed::Embed::new(images, embeddings, encoder, &settings.picture, settings.fetch.max_object_bytes);

    let worker = format!("{}@{address}", std::process::id());
    let (name, topology) = (format!("embedder {worker}"), Topology::new(&settings.amqp.namespace));
    let publisher = Publisher::start(settings.amqp.clone(), name.clone(), vec![StageName::embed()], health.clone());
    let settler = Settler::new(publisher, topology, StageName::embed(), worker, manifest.id);
    let switch = Switch::start(State::new(bucket.clone(), &settings.bucket), StageName::embed());
    let subscription = Subscription { amqp: settings.amqp, name, stage: StageName::embed() };
    let (batch, fetch, halt_hold) = (settings.batch, settings.fetch, HALT_HOLD);
    worker::run(Parts { stage, bucket, subscription, settler, switch, batch, fetch, halt_hold, health, shutdown }).await
}

fn load(runtime: &RuntimeSettings, settings: &ModelSettings) -> Result<(ImageEncoder, Manifest, String), ModelError> {
    let model = Model::find(&settings.name)?;
    let runtime = Runtime::start(runtime)?;
    Ok((model.image_encoder(&runtime, settings.max_batch)?, model.manifest, model.digest))
}

async fn tables(location: &Location, space: &Space) -> Result<(Images, Embeddings), TableError> {
    let database = location.connect(Access::writer()).await?;
    Ok((Images::open_or_create(&database).await?, Embeddings::open_or_create(&database, space.clone()).await?))
}
