//! The searcher: words or pixels → ranked hits, over HTTP, with the web page. Reads only; start as many as needed.

mod answer;
mod api;
mod caption_now;
mod encoders;
mod engine;
mod follow;
mod intake;
mod library;
mod openapi;
mod operations;
mod pictures;
mod own_site;
mod problem;
mod query;
mod ranking;
mod status;
mod ui;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use axum::{Router, middleware};
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
use table::Database;
use table::captions::Captions;
use table::location::{Access, Location};
use table::timeline::Timelines;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::caption_now::Desk;
use crate::encoders::Shelf;
use crate::engine::{Absent, Engine};
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
    /// Putting pictures into the bucket.
    pub upload: UploadSettings,
    /// Where operators' requests go.
    pub operations: OperationsSettings,
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

/// `[upload]`: putting pictures into the bucket from the page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadSettings {
    /// Whether whoever may search may also upload.
    pub enabled: bool,
    /// What all keys of uploads begin with; ends with a slash.
    pub prefix: String,
    /// Largest file.
    pub max_bytes: u64,
}

/// `[operations]`: where operators' requests go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationsSettings {
    /// Address of ingest; empty: operations are not offered here.
    pub url: String,
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
        self.upload.validate(&self.bucket)?;
        self.operations.validate()?;
        let week = Duration::from_secs(7 * 24 * 3600);
        if self.access.link_lifetime < Duration::from_secs(1) || self.access.link_lifetime > week {
            return Err(SettingsError::value("access.link_lifetime", "must be from 1s to 7d, as the protocol allows"));
        }
        Ok(())
    }
}

impl UploadSettings {
    fn validate(&self, bucket: &BucketSettings) -> Result<(), SettingsError> {
        let plain = self.prefix.len() > 1 && self.prefix.ends_with('/') && !self.prefix.starts_with('/');
        if !plain || self.prefix.len() > 256 || self.prefix.split('/').any(|part| part == "." || part == "..") {
            return Err(SettingsError::value(
                "upload.prefix",
                "must be a folder of the bucket such as uploads/, ending with a slash",
            ));
        }
        if self.prefix.starts_with(&bucket.own_prefix) || bucket.own_prefix.starts_with(&self.prefix) {
            return Err(SettingsError::value("upload.prefix", "must not be where the tables lie (bucket.own_prefix)"));
        }
        if !(1024..=5 << 30).contains(&self.max_bytes) {
            return Err(SettingsError::value("upload.max_bytes", "must be from 1024 to 5368709120 (5 GiB, the most of one PUT)"));
        }
        Ok(())
    }
}

impl OperationsSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        let is_http = |url: url::Url| matches!(url.scheme(), "http" | "https") && url.host().is_some();
        if self.url.is_empty() || url::Url::parse(&self.url).is_ok_and(is_http) {
            return Ok(());
        }
        Err(SettingsError::value("operations.url", "must be an address such as http://127.0.0.1:8081, or empty"))
    }
}

/// Runs the searcher until shutdown.
///
/// A model that cannot be loaded yet is tried again and again. Meanwhile words are searched for in captions; where there are
/// none the searcher waits, unready.
///
/// # Errors
/// The socket cannot be used, or the model or the tables are not what they must be.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let health = Health::default();
    health.expect(&["choice", "model", "store", "routes"]);
    let listener = service::bind(&settings.http).await?;
    // Health is answered while the model is loaded, and everything else with "not yet".
    let (front, routes) = watch::channel(None);
    let closed = front::router(routes, "the searcher is starting; /readyz says what it waits for");
    let http = tokio::spawn(service::serve(listener, closed, health.clone(), shutdown.clone()));
    match open(settings, health.clone(), &shutdown).await {
        Ok(router) => {
            front.send_replace(router);
            health.ok("routes");
        }
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
    let location = Location { uri: settings.bucket.tables_uri(), options: settings.bucket.storage_options() };
    let database = location.connect(Access::reader(settings.search.freshness)).await?;
    let may_pass = |error: &anyhow::Error| {
        // What operators have chosen may still be on its way to this machine; what settings name wrongly stays wrong.
        decided.active.is_some() || error.downcast_ref().is_some_and(ModelError::may_pass)
    };
    let load = || async {
        match shelf.load(decided.active.as_deref()).await {
            Ok(encoders) => Ok(Ok(encoders)),
            Err(error) if may_pass(&error) && has_captions(&database, &settings.captions.active).await => {
                let model = decided.active.clone().unwrap_or_else(|| settings.models.active.clone());
                tracing::error!(model, "the model cannot be loaded yet, only words are searched: {error:#}");
                Ok(Err(Absent(model)))
            }
            Err(error) => Err(error),
        }
    };
    let Some(encoders) = service::until_works(&health, "model", shutdown, may_pass, load).await? else { return Ok(None) };
    let app = Arc::new(api::App {
        engine: Engine::new(database, encoders, settings.captions.active.clone(), &settings.search),
        bucket,
        captioning: Desk::new(&settings.captions.active, settings.amqp.clone()),
        queues: Queues::new(settings.amqp),
        link_lifetime: settings.access.link_lifetime,
        following: Following::default(),
        timelines: Timelines::default(),
        upload: settings.upload.clone(),
        operations: !settings.operations.url.is_empty(),
    });
    tokio::spawn(stopping(shutdown.clone(), watch_store(Arc::clone(&app), health.clone())));
    tokio::spawn(stopping(shutdown.clone(), follow::run(Arc::clone(&app), shelf, models::follow(state), health)));
    let api = api::router(app, &settings.search, settings.access.api_key);
    let operations = operations::router(&settings.operations.url)?;
    let page = ui::router(&settings.bucket, settings.upload.enabled);
    let all = api.merge(operations).merge(openapi::pages()).merge(page).fallback(api::unknown);
    Ok(Some(all.layer(middleware::from_fn(own_site::check))))
}

/// Whether words can be searched for without a model.
async fn has_captions(database: &Database, captioner: &str) -> bool {
    !captioner.is_empty() && matches!(Captions::open(database, captioner).await, Ok(Some(_)))
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
