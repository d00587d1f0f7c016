//! One model of the process: loaded, and worked for until the process stops or an operator removes
//! the model.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use inference::{Budget, ImageEncoder, Model, ModelError, Runtime, gate};
use pipeline::bucket::Bucket;
use pipeline::consume::Subscription;
use pipeline::health::Health;
use pipeline::job::StageName;
use pipeline::models::Models;
use pipeline::publish::Publisher;
use pipeline::service;
use pipeline::settings::SettingsError;
use pipeline::settle::Settler;
use pipeline::state::State;
use pipeline::switch::Switch;
use pipeline::topology::Topology;
use pipeline::worker::{self, FetchSettings, HALT_HOLD, Parts};
use table::TableError;
use table::embeddings::Embeddings;
use table::images::Images;
use table::location::{Access, Location};
use table::schema::Space;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::embed::Embed;
use crate::shared::Shared;
use crate::status::Running;

/// What the models of one process share.
pub(crate) struct Process {
    settings: Settings,
    bucket: Bucket,
    location: Location,
    state: State,
    decided: watch::Receiver<Option<Models>>,
    health: Health,
    running: Running,
    worker: String,
    decoders: Arc<Semaphore>,
    in_flight: Budget,
    // What one model has decoded and another may need; nothing is kept for a single one.
    shared: Option<Arc<Shared>>,
    // Of two models that write the row of one picture, the second is to see the first's.
    images: Arc<tokio::sync::Mutex<()>>,
    // Names by which the models of these ids were found.
    ids: Mutex<HashMap<String, String>>,
}

/// Name of the health condition of a model, by the name it has in settings.
pub(crate) fn condition(name: &str) -> String {
    format!("model {name}")
}

impl Process {
    pub(crate) fn new(
        settings: Settings,
        bucket: Bucket,
        location: Location,
        decided: watch::Receiver<Option<Models>>,
        health: Health,
        running: Running,
        address: SocketAddr,
    ) -> Self {
        Self {
            state: State::new(bucket.clone(), &settings.bucket),
            bucket,
            location,
            decided,
            health,
            running,
            worker: format!("{}@{address}", std::process::id()),
            decoders: settings.fetch.turns(),
            in_flight: Budget::new(settings.picture.max_decoded_in_flight),
            shared: (settings.models.serve.len() > 1).then(Arc::default),
            images: Arc::default(),
            ids: Mutex::default(),
            settings,
        }
    }

    /// Each model's share of what may be fetched at once: one that cannot work must not hold what
    /// another needs.
    fn fetch(&self) -> FetchSettings {
        let all = &self.settings.fetch;
        FetchSettings {
            concurrency: (all.concurrency / self.settings.models.serve.len()).max(1),
            ..all.clone()
        }
    }

    /// Two models of one id would work for the same queues and tables.
    fn claim(&self, id: &str, name: &str) -> Result<(), SettingsError> {
        match self
            .ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.to_owned(), name.to_owned())
        {
            None => Ok(()),
            Some(other) => {
                let problem = format!(
                    "'{other}' and '{name}' both have the id '{id}': give one another id in its model.toml"
                );
                Err(SettingsError::value("models.serve", problem))
            }
        }
    }
}

struct Loaded {
    encoder: ImageEncoder,
    space: Space,
}

/// Loads a model and works for it until shutdown.
///
/// # Errors
/// The model or its tables are not what they must be, or the worker hit a defect.
pub(crate) async fn serve(
    process: Arc<Process>,
    name: String,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let load = || {
        let (settings, name) = (process.settings.clone(), name.clone());
        async move { anyhow::Ok(tokio::task::spawn_blocking(move || load(&settings, &name)).await??) }
    };
    let missing = |error: &anyhow::Error| error.downcast_ref().is_some_and(ModelError::may_pass);
    let loaded =
        service::until_works(&process.health, &condition(&name), &shutdown, missing, load).await?;
    let Some(loaded) = loaded else { return Ok(()) };
    let Loaded { encoder, space } = &loaded;
    process.claim(&space.model, &name)?;
    process.running.add(&space.model, encoder);
    tracing::info!(model = space.model, provider = %encoder.placement().active, dim = encoder.dim(), "model is warm");

    let stage = StageName::embed(&space.model);
    let health = process.health.of(stage.as_str());
    while kept(&process, &space.model, &health, &shutdown).await {
        let open = || tables(&process.location, space);
        let opened =
            service::until_works(&process.health, "store", &shutdown, TableError::may_pass, open)
                .await?;
        let Some(tables) = opened else { return Ok(()) };
        let working = shutdown.child_token();
        let ending = tokio::spawn(end_when_removed(
            process.decided.clone(),
            space.model.clone(),
            working.clone(),
        ));
        let worked = work(&process, &loaded, tables, &stage, &health, working).await;
        ending.abort();
        worked?;
    }
    Ok(())
}

async fn work(
    process: &Process,
    Loaded { encoder, space }: &Loaded,
    (images, embeddings): (Images, Embeddings),
    stage: &StageName,
    health: &Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let Process { settings, bucket, worker, shared, .. } = process;
    let (name, topology) =
        (format!("embedder {worker} {stage}"), Topology::new(&settings.amqp.namespace));
    let publisher =
        Publisher::start(settings.amqp.clone(), name.clone(), vec![stage.clone()], health.clone());
    let _member = shared.as_ref().map(|shared| shared.join(&space.model, encoder));
    let max_bytes = settings.fetch.max_object_bytes;
    let parts = Parts {
        stage: Embed::new(
            images,
            embeddings,
            encoder.clone(),
            &settings.picture,
            max_bytes,
            process.in_flight.clone(),
        )
        .sharing(shared.clone(), Arc::clone(&process.images)),
        bucket: bucket.clone(),
        subscription: Subscription { amqp: settings.amqp.clone(), name, stage: stage.clone() },
        settler: Settler::new(
            publisher,
            topology,
            stage.clone(),
            worker.clone(),
            space.model.clone(),
        ),
        switch: Switch::start(process.state.clone(), stage.clone()),
        batch: settings.batch.clone(),
        fetch: process.fetch(),
        decoders: Arc::clone(&process.decoders),
        halt_hold: HALT_HOLD,
        health: health.clone(),
        shutdown,
    };
    worker::run(parts).await
}

/// Waits while an operator has removed the model. `false`: the process is stopping.
async fn kept(process: &Process, id: &str, health: &Health, shutdown: &CancellationToken) -> bool {
    let mut decided = process.decided.clone();
    let kept =
        |decided: &Option<Models>| decided.as_ref().is_some_and(|decided| !decided.is_removed(id));
    if decided.borrow().as_ref().is_some_and(|decided| decided.is_removed(id))
        && !shutdown.is_cancelled()
    {
        // Nothing is expected to work now.
        for condition in ["work", "publisher", "consumer"] {
            health.ok(condition);
        }
        health.note(
            "model",
            format!("removed by an operator: `ingest models keep {id}` takes that back"),
        );
        tracing::info!(model = id, "resting, because an operator removed the model");
    } else {
        health.expect(&["publisher", "consumer"]);
    }
    let kept = tokio::select! {
        biased;
        () = shutdown.cancelled() => return false,
        kept = decided.wait_for(kept) => kept.is_ok(),
    };
    health.unnote("model");
    health.expect(&["publisher", "consumer"]);
    kept
}

async fn end_when_removed(
    mut decided: watch::Receiver<Option<Models>>,
    id: String,
    working: CancellationToken,
) {
    let removed =
        |decided: &Option<Models>| decided.as_ref().is_some_and(|decided| decided.is_removed(&id));
    if decided.wait_for(removed).await.is_ok() {
        working.cancel();
    }
}

fn load(settings: &Settings, name: &str) -> Result<Loaded, ModelError> {
    let model = Model::find(name, Path::new(&settings.models.folder))?;
    gate::passed(&model)?;
    let runtime = Runtime::start(&settings.runtime)?;
    let encoder = model.image_encoder(&runtime, settings.models.max_batch)?;
    let (manifest, manifest_hash) = (model.manifest, model.digest);
    let space =
        Space { model: manifest.id, space: manifest.space, manifest_hash, dim: encoder.dim() };
    Ok(Loaded { encoder, space })
}

async fn tables(location: &Location, space: &Space) -> Result<(Images, Embeddings), TableError> {
    let database = location.connect(Access::writer()).await?;
    Ok((
        Images::open_or_create(&database).await?,
        Embeddings::open_or_create(&database, space.clone()).await?,
    ))
}
