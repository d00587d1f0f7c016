//! The embedder: pixels → vectors. Consumes the jobs of one stage per model and appends to `images` and
//! `embeddings_<model>`.

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
/// A model is warm and the store is proven before the first job is taken, because what is delivered
/// counts as begun. A model or a store that is away keeps the embedder waiting, unready; it goes on by
/// itself once they are there. One model does not wait for another.
///
/// # Errors
/// The socket cannot be used, or a model, the store or the tables are not what they must be.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let loaded = LoadedModels::default();
    let routes = loaded.clone().router();
    let conditions: Vec<_> =
        settings.models.serve.iter().map(|name| serve::condition(name)).collect();
    let conditions: Vec<_> = conditions.iter().map(String::as_str).collect();
    let work = |process, shutdown| work(settings.clone(), process, loaded, shutdown);
    worker::run(settings.worker(), &conditions, routes, shutdown, work).await
}

async fn work(
    settings: Settings,
    process: Arc<WorkerProcess>,
    loaded: LoadedModels,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    // Where one model ends by a failure, the others end too.
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
