//! How a searcher starts: it learns which model is active, loads it, and makes the routes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use inference::ModelError;
use pipeline::bucket::Bucket;
use pipeline::depths::QueueDepths;
use pipeline::models::{self, Models};
use pipeline::state::{StateError, StateStore};
use service::health::Health;
use service::process;
use table::Database;
use table::captions::Captions;
use table::images::Images;
use table::location::{Access, Location};
use table::timeline::Timelines;
use tokio_util::sync::CancellationToken;

use crate::active_model::MissingModel;
use crate::encoders::{Encoders, ModelLoader};
use crate::engine::Engine;
use crate::follow::{ModelFollower, PendingModel};
use crate::http::{self, App, CaptionRequests, PictureTurns, Thumbnails};
use crate::linked::Fetcher;
use crate::seal::Seal;
use crate::settings::Settings;
use crate::snapshot::{LocalFolder, SnapshotFollower};

// Pause between two checks whether the tables can be read.
const STORE_CHECK: Duration = Duration::from_secs(5);

/// Starts everything, and returns all routes but those of health and metrics. `None`: the process
/// is stopping.
///
/// # Errors
/// The model is wrong, or the tables hold vectors of another space.
pub(crate) async fn start(
    settings: Settings,
    health: Health,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<Router>> {
    let bucket = Bucket::connect(&settings.bucket).await;
    let state = StateStore::new(bucket.clone(), &settings.bucket);
    // The active model must be known, not guessed: the settings may be long out of date.
    let read = async || Ok((models::read(&state).await?, Seal::load(&state).await?));
    let read = process::until_works(&health, "choice", shutdown, |_: &StateError| true, read);
    let Some((decisions, seal)) = read.await? else { return Ok(None) };
    let loader = ModelLoader::new(settings.models.clone(), settings.runtime.clone(), state.clone());
    let location =
        Location { uri: settings.bucket.tables_uri(), options: settings.bucket.storage_options() };
    let access = Access::reader(settings.search.freshness).with_cache(&settings.cache);
    let database = location.connect(access).await?;
    let first_model = FirstModel { settings: &settings, decisions, loader, database };
    let encoders = process::until_works(
        &health,
        "model",
        shutdown,
        |error| first_model.may_pass(error),
        || first_model.load(),
    );
    let Some(encoders) = encoders.await? else { return Ok(None) };
    let FirstModel { loader, database, .. } = first_model;
    let fetcher = Fetcher::new(&settings.image_urls, &settings.search)?;
    let captioner = settings.captions.active.clone();
    let engine = Engine::new(database, encoders, captioner, fetcher, seal, &settings.search);
    let app = Arc::new(app(&settings, Arc::new(engine), bucket));
    let engine = Arc::clone(&app.engine);
    if settings.search.memory > 0 && !settings.search.exact {
        let follower = SnapshotFollower {
            engine: Arc::downgrade(&engine),
            folder: LocalFolder::open(&settings.cache.folder),
            tables: settings.bucket.tables_uri(),
            freshness: settings.search.freshness,
            max_bytes: settings.search.memory,
        };
        follower.spawn(shutdown.clone())?;
    }
    let pending = app.pending_model.clone();
    tokio::spawn(close_cache(engine.database.clone(), shutdown.clone()));
    tokio::spawn(until(shutdown.clone(), watch_store(Arc::clone(&engine), health.clone())));
    let follower = ModelFollower { engine, loader, pending, health };
    tokio::spawn(until(shutdown.clone(), follower.run(models::follow(state))));
    Ok(Some(http::router(app, &settings)?))
}

fn app(settings: &Settings, engine: Arc<Engine>, bucket: Bucket) -> App {
    App {
        engine,
        bucket,
        caption_requests: CaptionRequests::new(&settings.captions, settings.amqp.clone()),
        queues: QueueDepths::new(settings.amqp.clone()),
        link_lifetime: settings.access.link_lifetime,
        pending_model: PendingModel::default(),
        timelines: Timelines::default(),
        thumbnails: Thumbnails::new(settings.search.thumbnail_memory),
        picture_turns: PictureTurns::new(settings.search.max_concurrent),
        upload: settings.upload.clone(),
        operations: !settings.operations.url.is_empty(),
    }
}

/// The model that answers first.
struct FirstModel<'a> {
    settings: &'a Settings,
    decisions: Models,
    loader: ModelLoader,
    database: Database,
}

impl FirstModel<'_> {
    /// Its encoders; or which model is missing, if words can be searched without it.
    async fn load(&self) -> anyhow::Result<Result<Encoders, MissingModel>> {
        match self.loader.load(self.decisions.active.as_deref()).await {
            Ok(encoders) => Ok(Ok(encoders)),
            Err(error) if self.may_pass(&error) && self.has_words().await => {
                let chosen = self.decisions.active.as_deref();
                let model = chosen.unwrap_or(self.loader.configured_name()).to_owned();
                tracing::error!(
                    model,
                    "the model cannot be loaded yet, only words are searched: {error:#}"
                );
                Ok(Err(MissingModel(model)))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether trying again may help. The files of a model that operators chose may still be on
    /// their way to this machine; a wrong name in the settings stays wrong.
    fn may_pass(&self, error: &anyhow::Error) -> bool {
        self.decisions.active.is_some() || error.downcast_ref().is_some_and(ModelError::may_pass)
    }

    /// Whether captions, or keys of pictures, can be searched for words.
    async fn has_words(&self) -> bool {
        let captioner = &self.settings.captions.active;
        let has_captions = !captioner.is_empty()
            && matches!(Captions::open(&self.database, captioner).await, Ok(Some(_)));
        has_captions || matches!(Images::open(&self.database).await, Ok(Some(_)))
    }
}

/// At shutdown, writes what the cache on the local disk has not written yet.
async fn close_cache(database: Database, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    database.close().await;
}

/// Runs until shutdown.
async fn until(shutdown: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = shutdown.cancelled() => {}
    }
}

/// Keeps the health of `store`: a searcher is ready while its tables can be read.
async fn watch_store(engine: Arc<Engine>, health: Health) {
    loop {
        let model = engine.model();
        match engine.forget_dropped_tables(&model).await {
            Ok(()) => health.ok("store"),
            Err(error) => health.trouble("store", error.to_string()),
        }
        tokio::time::sleep(STORE_CHECK).await;
    }
}
