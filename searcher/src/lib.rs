//! The searcher: words or pixels → ranked hits, over HTTP, with the web page. Reads only; start as many as needed.

mod access;
mod api;
mod engine;
mod pictures;
mod problem;
mod query;
mod status;
mod ui;

use std::sync::Arc;
use std::time::Duration;

use inference::{Model, Runtime, RuntimeSettings};
use pipeline::bucket::{Bucket, BucketSettings};
use pipeline::connection::AmqpSettings;
use pipeline::health::Health;
use pipeline::service::{self, HttpSettings, Shared};
use pipeline::settings::{self, SettingsError};
use pipeline::telemetry::LogSettings;
use secrecy::SecretString;
use serde::Deserialize;
use table::location::{Access, Location};
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use pipeline::depths::Queues;

// Between two looks at whether the tables can be read.
const STORE_CHECK: Duration = Duration::from_secs(5);

/// All settings of the searcher; `settings.toml` documents them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where pictures and tables lie.
    pub bucket: BucketSettings,
    /// The broker; only asked how much waits.
    pub amqp: AmqpSettings,
    /// Logging.
    pub log: LogSettings,
    /// Whose vectors are searched.
    pub model: ModelSettings,
    /// How models are run.
    pub runtime: RuntimeSettings,
    /// Limits of one search.
    pub search: SearchSettings,
    /// Who may search.
    pub access: AccessSettings,
    /// Where everything is served.
    pub http: HttpSettings,
}

/// `[model]`: whose vectors are searched.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// Built-in name or folder.
    pub name: String,
}

/// `[search]`: limits of one search.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSettings {
    /// Age up to which a version of a table may be reused.
    #[serde(with = "humantime_serde")]
    pub freshness: Duration,
    /// Largest uploaded picture.
    pub max_image_bytes: usize,
    /// Most pixels of an uploaded picture.
    pub max_pixels: u64,
    /// Requests worked on at once.
    pub max_concurrent: usize,
    /// Longest time of one request.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

/// `[access]`: who may search and see originals.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessSettings {
    /// What a client must know; empty lets everybody in.
    pub api_key: SecretString,
    /// How long a link to an original works.
    #[serde(with = "humantime_serde")]
    pub link_lifetime: Duration,
}

impl settings::Settings for Settings {
    const DEFAULTS: &'static str = include_str!("../settings.toml");

    fn shared(&self) -> Shared {
        Shared { log: self.log.clone(), http: self.http.clone() }
    }

    fn validate(&self) -> Result<(), SettingsError> {
        self.bucket.validate()?;
        self.amqp.validate()?;
        if !(1..=10_000).contains(&self.search.max_concurrent) {
            return Err(SettingsError::value("search.max_concurrent", "must be from 1 to 10000"));
        }
        if self.search.max_image_bytes < 1024 {
            return Err(SettingsError::value("search.max_image_bytes", "must be at least 1024"));
        }
        let week = Duration::from_secs(7 * 24 * 3600);
        if self.access.link_lifetime < Duration::from_secs(1) || self.access.link_lifetime > week {
            return Err(SettingsError::value("access.link_lifetime", "must be from 1s to 7d, as the protocol allows"));
        }
        Ok(())
    }
}

/// Runs the searcher until shutdown.
///
/// # Errors
/// The socket, the model or the tables cannot be used.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let health = Health::default();
    health.expect(&["model", "store"]);
    let listener = service::bind(&settings.http).await?;

    let (name, runtime) = (settings.model.name.clone(), settings.runtime.clone());
    let models =
        tokio::task::spawn_blocking(move || engine::Encoders::load(&Model::find(&name)?, &Runtime::start(&runtime)?)).await??;
    let location = Location { uri: settings.bucket.tables_uri(), options: settings.bucket.storage_options() };
    let database = location.connect(Access::reader(settings.search.freshness)).await?;
    let engine = Engine::new(database, models, settings.search.max_pixels, settings.search.max_image_bytes);
    health.ok("model");

    let app = Arc::new(api::App {
        engine,
        bucket: Bucket::connect(&settings.bucket).await,
        queues: Queues::new(settings.amqp),
        link_lifetime: settings.access.link_lifetime,
    });
    tokio::spawn(watch_store(Arc::clone(&app), health.clone()));
    let router =
        api::router(app, &settings.search, settings.access.api_key).merge(ui::router(&settings.bucket)).fallback(api::unknown);
    service::serve(listener, router, health, shutdown).await
}

/// Ready means that a search would be answered: asks the tables now and then, and shows what they say.
async fn watch_store(app: Arc<api::App>, health: Health) {
    loop {
        match app.engine.table_rows().await {
            Ok(_) => health.ok("store"),
            Err(error) => health.trouble("store", error.to_string()),
        }
        tokio::time::sleep(STORE_CHECK).await;
    }
}
