//! The searcher: words or pixels → ranked hits, over HTTP, with the web page. Reads only; start as many as needed.

mod api;
mod caption_now;
mod encoders;
mod engine;
mod follow;
mod pictures;
mod problem;
mod query;
mod ranking;
mod status;
mod ui;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use inference::{ModelError, RuntimeSettings};
use pipeline::bucket::{Bucket, BucketSettings};
use pipeline::connection::AmqpSettings;
use pipeline::depths::Queues;
use pipeline::front;
use pipeline::health::Health;
use pipeline::models;
use pipeline::service::{self, HttpSettings, Shared};
use pipeline::settings::{self, SettingsError};
use pipeline::state::State;
use pipeline::telemetry::LogSettings;
use secrecy::SecretString;
use serde::Deserialize;
use table::location::{Access, Location};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::caption_now::Desk;
use crate::encoders::Shelf;
use crate::engine::Engine;
use crate::follow::Following;

// Between two looks at whether the tables can be read.
const STORE_CHECK: Duration = Duration::from_secs(5);

/// All settings of the searcher; `settings.toml` documents them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where pictures and tables lie.
    pub bucket: BucketSettings,
    /// The broker: asked how much waits, and given the captions that somebody asks for.
    pub amqp: AmqpSettings,
    /// Logging.
    pub log: LogSettings,
    /// Whose vectors are searched.
    pub models: ModelSettings,
    /// How models are run.
    pub runtime: RuntimeSettings,
    /// Whose captions are searched.
    pub captions: CaptionSettings,
    /// Limits of one search.
    pub search: SearchSettings,
    /// Who may search.
    pub access: AccessSettings,
    /// Where everything is served.
    pub http: HttpSettings,
}

/// `[models]`: whose vectors are searched.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// Built-in name, name of a folder below `folder`, or path of a folder; used until operators have chosen a model.
    pub active: String,
    /// Where the folders of models lie.
    pub folder: String,
}

/// `[captions]`: whose captions are searched.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionSettings {
    /// Id of the captioner; empty: no captions are searched.
    pub active: String,
}

/// `[search]`: limits of one search.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSettings {
    /// Age up to which a version of a table may be reused.
    #[serde(with = "humantime_serde")]
    pub freshness: Duration,
    /// Compare all rows at every search, even where an index would be quicker.
    pub exact: bool,
    /// Candidates that each of several signals is asked for.
    pub candidates: usize,
    /// Largest uploaded picture.
    pub max_image_bytes: usize,
    /// Most pixels of an uploaded picture.
    pub max_pixels: u64,
    /// Memory all query pictures being decoded may take together.
    pub max_decoded_in_flight: u64,
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
        if self.models.active.is_empty() {
            return Err(SettingsError::value("models.active", "must name a model"));
        }
        if !(1..=10_000).contains(&self.search.max_concurrent) {
            return Err(SettingsError::value("search.max_concurrent", "must be from 1 to 10000"));
        }
        if !(50..=5000).contains(&self.search.candidates) {
            return Err(SettingsError::value("search.candidates", "must be from 50 to 5000"));
        }
        if !self.captions.active.is_empty() && models::check_id(&self.captions.active).is_err() {
            return Err(SettingsError::value(
                "captions.active",
                "must be the id of a captioner: lower-case letters, digits, dashes",
            ));
        }
        if self.search.max_image_bytes < 1024 {
            return Err(SettingsError::value("search.max_image_bytes", "must be at least 1024"));
        }
        if self.search.max_decoded_in_flight < 1 << 20 {
            return Err(SettingsError::value("search.max_decoded_in_flight", "must be at least 1048576 (1 MiB)"));
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
/// A model that is missing keeps it waiting, unready; it goes on by itself once the model is there.
///
/// # Errors
/// The socket cannot be used, or the model or the tables are not what they must be.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let health = Health::default();
    health.expect(&["choice", "model", "store"]);
    let listener = service::bind(&settings.http).await?;
    // Health is answered while the model is loaded, and everything else with "not yet".
    let (front, routes) = watch::channel(None);
    let closed = front::router(routes, "the searcher is starting; /readyz says what it waits for");
    let http = tokio::spawn(service::serve(listener, closed, health.clone(), shutdown.clone()));
    match open(settings, health, &shutdown).await {
        Ok(router) => drop(front.send_replace(router)),
        Err(error) => {
            shutdown.cancel();
            http.await??;
            return Err(error);
        }
    }
    http.await?
}

/// Everything but health and metrics. `None`: the process is stopping.
async fn open(settings: Settings, health: Health, shutdown: &CancellationToken) -> anyhow::Result<Option<Router>> {
    let bucket = Bucket::connect(&settings.bucket).await;
    let state = State::new(bucket.clone(), &settings.bucket);
    // Which model answers must be known, not guessed: what settings say may be long out of date.
    let decided = service::until_works(&health, "choice", shutdown, |_| true, || models::read(&state)).await?;
    let Some(decided) = decided else { return Ok(None) };
    let shelf = Shelf::new(settings.models.clone(), settings.runtime.clone());
    let load = || shelf.load(decided.active.as_deref());
    let may_pass = |error: &anyhow::Error| {
        // What operators have chosen may still be on its way to this machine; what settings name wrongly stays wrong.
        decided.active.is_some() || error.downcast_ref().is_some_and(ModelError::may_pass)
    };
    let Some(encoders) = service::until_works(&health, "model", shutdown, may_pass, load).await? else { return Ok(None) };
    let location = Location { uri: settings.bucket.tables_uri(), options: settings.bucket.storage_options() };
    let database = location.connect(Access::reader(settings.search.freshness)).await?;
    let app = Arc::new(api::App {
        engine: Engine::new(database, encoders, settings.captions.active.clone(), &settings.search),
        bucket,
        captioning: Desk::new(&settings.captions.active, settings.amqp.clone()),
        queues: Queues::new(settings.amqp),
        link_lifetime: settings.access.link_lifetime,
        following: Following::default(),
    });
    tokio::spawn(stopping(shutdown.clone(), watch_store(Arc::clone(&app), health.clone())));
    tokio::spawn(stopping(shutdown.clone(), follow::run(Arc::clone(&app), shelf, models::follow(state), health)));
    let api = api::router(app, &settings.search, settings.access.api_key);
    Ok(Some(api.merge(ui::router(&settings.bucket)).fallback(api::unknown)))
}

/// Runs until shutdown.
async fn stopping(shutdown: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = shutdown.cancelled() => {}
    }
}

/// Ready means that a search would be answered: asks the tables now and then, and shows what they say.
async fn watch_store(app: Arc<api::App>, health: Health) {
    loop {
        match app.engine.table_rows(&app.engine.served()).await {
            Ok(_) => health.ok("store"),
            Err(error) => health.trouble("store", error.to_string()),
        }
        tokio::time::sleep(STORE_CHECK).await;
    }
}
