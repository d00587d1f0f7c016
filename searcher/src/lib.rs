#![doc = include_str!("../README.md")]

mod active_model;
mod decoding;
mod encoders;
mod encoding;
mod engine;
mod follow;
mod http;
mod linked;
mod opened_table;
mod problem;
mod query;
mod ranking;
mod seal;
mod settings;
mod snapshot;
mod start;
mod unrelated_words;
mod vector_memory;
mod word_vectors;

use service::health::Health;
use service::http::gate;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use crate::settings::{
    AccessSettings, CaptionSettings, ImageUrlSettings, ModelSettings, OperationsSettings,
    SearchSettings, Settings, UploadSettings,
};

/// Runs the searcher until shutdown.
///
/// A model that cannot be loaded yet is tried again and again. Meanwhile words are searched in the
/// captions; without captions the searcher waits, unready.
///
/// # Errors
/// The socket cannot be used, the model is wrong, or the tables hold vectors of another space.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let health = Health::default();
    health.require(&["choice", "model", "store", "routes"]);
    let listener = service::http::bind(&settings.http).await?;
    // While the model is loaded, health is answered, and everything else with 503.
    let (opened, routes) = watch::channel(None);
    let gate = gate::router(routes, "the searcher is starting; /readyz says what it waits for");
    let http = tokio::spawn(service::http::serve(listener, gate, health.clone(), shutdown.clone()));
    match start::start(settings, health.clone(), &shutdown).await {
        Ok(router) => {
            opened.send_replace(router);
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
