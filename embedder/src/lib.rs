#![doc = include_str!("../README.md")]

mod decoded_cache;
mod embed;
pub mod models;
mod serve;
mod settings;
mod status;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use worker::WorkerProcess;

pub use crate::settings::{ServedModelSettings, Settings};

use crate::serve::Embedder;
use crate::status::LoadedModels;

/// Runs the embedder until shutdown.
///
/// The broker counts every delivered job as begun, so a model is loaded and the store has proved
/// itself before the first job is taken. While a model or the store is missing, the embedder waits,
/// not ready, and continues by itself. One model does not wait for another.
///
/// # Errors
/// The socket cannot be used, a model is broken, or the store or a table cannot be used.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let loaded = LoadedModels::default();
    let routes = loaded.clone().router();
    let conditions: Vec<_> =
        settings.models.serve.iter().map(|name| serve::condition(name)).collect();
    let work = |process, shutdown| work(settings.clone(), process, loaded, shutdown);
    worker::run(settings.worker(), conditions, routes, shutdown, work).await
}

async fn work(
    settings: Settings,
    process: Arc<WorkerProcess>,
    loaded: LoadedModels,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    // If one model ends with an error, the others end too.
    let (names, shutdown) = (settings.models.serve.clone(), shutdown.child_token());
    let embedder = Arc::new(Embedder::new(settings, process, loaded));
    let mut serving = JoinSet::new();
    for name in names {
        serving.spawn(serve::serve(Arc::clone(&embedder), name, shutdown.clone()));
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
