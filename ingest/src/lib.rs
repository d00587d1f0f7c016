//! Ingest: bucket → jobs. Watches by listing and by events, publishes what the tables lack, removes
//! what is gone, keeps tables and dead letters in order, and is where operators turn to. Exactly
//! one of it is active: it alone deletes rows.

// Becoming the active one, and the ways in.
mod lease;
mod active;
mod settings;

// From a key to a job.
mod events;
mod sweep;
mod report;
mod removal;
mod index;
mod ids;
mod served;
mod published;
mod journal;
mod governor;

// Keeping order.
mod upkeep;
mod dead_upkeep;
mod retire;

// For operators.
pub mod command;
pub mod dead;
pub mod doctor;
pub mod models;
mod columns;
mod control;
mod operations;
mod ops;
mod ops_dead;
mod ops_health;
mod ops_models;
mod progress;
mod remote;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use pipeline::bucket::Bucket;
use pipeline::state::StateStore;
use service::health::Health;
use service::http::gate;
use service::{http, process};
use table::location::{Access, Location};
use table::probe::{self, ProbeError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use crate::settings::{EventSettings, Settings};

use crate::active::{Active, Ended, Parts};
use crate::lease::Holder;

const CLOSED: &str =
    "this ingest is not the active one, or still starting: /readyz says which one is";

/// Runs ingest until shutdown: waits as a standby until it is the active one, then acts.
///
/// # Errors
/// The socket cannot be used, or the store must not hold the tables.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let health = Health::default();
    health.require(&["store", "lease", "publisher", "listing"]);
    let listener = http::bind(&settings.http).await?;
    let holder = Holder::new(advertised(&settings, listener.local_addr()?));
    let (front, routes) = watch::channel(None);
    let http = tokio::spawn(http::serve(
        listener,
        gate::router(routes, CLOSED),
        health.clone(),
        shutdown.clone(),
    ));
    let acted = act(settings, holder, &front, health, &shutdown).await;
    shutdown.cancel();
    http.await??;
    acted
}

async fn act(
    settings: Settings,
    holder: Holder,
    front: &watch::Sender<Option<Router>>,
    health: Health,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let location =
        Location { uri: settings.bucket.tables_uri(), options: settings.bucket.storage_options() };
    let may_pass = |error: &ProbeError| matches!(error, ProbeError::Request { .. });
    let proven =
        process::until_works(&health, "store", shutdown, may_pass, || probe::probe(&location))
            .await?;
    if proven.is_none() {
        return Ok(());
    }
    let parts = parts(settings, health).await?;
    while let Some(mut lease) = lease::win(&parts.state, &holder, &parts.health, shutdown).await {
        match lease.during(acting(&parts, front, shutdown)).await {
            Some(ended) => {
                lease.give_back().await;
                return ended;
            }
            None => parts.health.trouble("lease", "the lease was lost"),
        }
    }
    Ok(())
}

/// Acts while the lease is held, anew whenever a model is removed or kept.
async fn acting(
    parts: &Parts,
    front: &watch::Sender<Option<Router>>,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let mut decided = pipeline::models::follow(parts.state.clone());
    loop {
        tokio::select! {
            known = decided.wait_for(Option::is_some) => drop(known?),
            () = shutdown.cancelled() => return Ok(()),
        }
        match Active::new(parts.clone(), decided.clone())?.run(front, shutdown).await? {
            Ended::Stopped => return Ok(()),
            Ended::Changed => tracing::info!("there are other models to work for"),
        }
    }
}

/// What an ingest is made of. Makes hardly any request.
async fn parts(settings: Settings, health: Health) -> anyhow::Result<Parts> {
    let bucket = Bucket::connect(&settings.bucket).await;
    let location =
        Location { uri: settings.bucket.tables_uri(), options: settings.bucket.storage_options() };
    let database = location.connect(Access::writer()).await?;
    let state = StateStore::new(bucket.clone(), &settings.bucket);
    Ok(Parts { settings: Arc::new(settings), bucket, database, state, health })
}

fn advertised(settings: &Settings, listening: SocketAddr) -> String {
    if settings.ops.address.is_empty() {
        format!("http://{listening}")
    } else {
        settings.ops.address.trim_end_matches('/').to_owned()
    }
}
