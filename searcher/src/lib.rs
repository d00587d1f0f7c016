//! The searcher: words or pixels → ranked hits, over HTTP, with the web page. Reads only; start as
//! many as needed.

mod answer;
mod api;
mod caption_now;
mod encoders;
mod engine;
mod follow;
mod intake;
mod library;
mod linked;
mod openapi;
mod operations;
mod pictures;
mod problem;
mod query;
mod ranking;
mod settings;
mod status;
mod ui;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use axum::{Router, middleware};
use inference::ModelError;
use pipeline::bucket::Bucket;
use pipeline::depths::QueueDepths;
use pipeline::models;
use pipeline::state::StateStore;
use service::health::Health;
use service::http::gate;
use service::http::same_origin;
use service::{http, process};
use table::Database;
use table::captions::Captions;
use table::location::{Access, Location};
use table::timeline::Timelines;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::caption_now::Desk;
use crate::encoders::Shelf;
use crate::engine::{Absent, Engine};
use crate::follow::Following;
use crate::linked::Fetcher;
pub use crate::settings::{
    AccessSettings, CaptionSettings, ImageUrlSettings, ModelSettings, OperationsSettings,
    SearchSettings, Settings, UploadSettings,
};

// Between two looks at whether the tables can be read.
const STORE_CHECK: Duration = Duration::from_secs(5);

/// Runs the searcher until shutdown.
///
/// A model that cannot be loaded yet is tried again and again. Meanwhile words are searched for in
/// captions; where there are none the searcher waits, unready.
///
/// # Errors
/// The socket cannot be used, or the model or the tables are not what they must be.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let health = Health::default();
    health.require(&["choice", "model", "store", "routes"]);
    let listener = http::bind(&settings.http).await?;
    // Health is answered while the model is loaded, and everything else with "not yet".
    let (front, routes) = watch::channel(None);
    let closed = gate::router(routes, "the searcher is starting; /readyz says what it waits for");
    let http = tokio::spawn(http::serve(listener, closed, health.clone(), shutdown.clone()));
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
async fn open(
    settings: Settings,
    health: Health,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<Router>> {
    let bucket = Bucket::connect(&settings.bucket).await;
    let state = StateStore::new(bucket.clone(), &settings.bucket);
    // Which model answers must be known, not guessed: what settings say may be long out of date.
    let decided =
        process::until_works(&health, "choice", shutdown, |_| true, || models::read(&state))
            .await?;
    let Some(decided) = decided else { return Ok(None) };
    let shelf = Shelf::new(settings.models.clone(), settings.runtime.clone());
    let location =
        Location { uri: settings.bucket.tables_uri(), options: settings.bucket.storage_options() };
    let database = location.connect(Access::reader(settings.search.freshness)).await?;
    let may_pass = |error: &anyhow::Error| {
        // What operators have chosen may still be on its way to this machine; what settings name
        // wrongly stays wrong.
        decided.active.is_some() || error.downcast_ref().is_some_and(ModelError::may_pass)
    };
    let load = || async {
        match shelf.load(decided.active.as_deref()).await {
            Ok(encoders) => Ok(Ok(encoders)),
            Err(error)
                if may_pass(&error) && has_captions(&database, &settings.captions.active).await =>
            {
                let model =
                    decided.active.clone().unwrap_or_else(|| settings.models.active.clone());
                tracing::error!(
                    model,
                    "the model cannot be loaded yet, only words are searched: {error:#}"
                );
                Ok(Err(Absent(model)))
            }
            Err(error) => Err(error),
        }
    };
    let Some(encoders) = process::until_works(&health, "model", shutdown, may_pass, load).await?
    else {
        return Ok(None);
    };
    let fetcher = Fetcher::new(&settings.image_urls, &settings.search)?;
    let app = Arc::new(api::App {
        engine: Engine::new(
            database,
            encoders,
            settings.captions.active.clone(),
            fetcher,
            &settings.search,
        ),
        bucket,
        captioning: Desk::new(&settings.captions.active, settings.amqp.clone()),
        queues: QueueDepths::new(settings.amqp),
        link_lifetime: settings.access.link_lifetime,
        following: Following::default(),
        timelines: Timelines::default(),
        upload: settings.upload.clone(),
        operations: !settings.operations.url.is_empty(),
    });
    tokio::spawn(stopping(shutdown.clone(), watch_store(Arc::clone(&app), health.clone())));
    tokio::spawn(stopping(
        shutdown.clone(),
        follow::run(Arc::clone(&app), shelf, models::follow(state), health),
    ));
    let api = api::router(app, &settings.search, settings.access.api_key);
    let operations = operations::router(&settings.operations.url)?;
    let page = ui::router(&settings.bucket, settings.upload.enabled);
    let all = api.merge(operations).merge(openapi::pages()).merge(page).fallback(api::unknown);
    let compressed = CompressionLayer::new().quality(CompressionLevel::Fastest);
    Ok(Some(all.layer(middleware::from_fn(same_origin::check)).layer(compressed)))
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

/// Ready means that a search would be answered: asks the tables now and then, and shows what they
/// say.
async fn watch_store(app: Arc<api::App>, health: Health) {
    loop {
        match app.engine.table_rows(&app.engine.served()).await {
            Ok(_) => health.ok("store"),
            Err(error) => health.trouble("store", error.to_string()),
        }
        tokio::time::sleep(STORE_CHECK).await;
    }
}
