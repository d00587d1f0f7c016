#![doc = include_str!("../README.md")]

mod active;
pub mod cli;
mod http;
mod lease;
mod operate;
mod parts;
mod settings;
mod upkeep;
mod watch;

use std::net::SocketAddr;

use axum::Router;
use service::health::Health;
use service::http::gate;
use service::process;
use table::probe::{self, ProbeError};
use tokio::sync::watch::{Sender, channel};
use tokio_util::sync::CancellationToken;

pub use crate::settings::Settings;

use crate::active::{Active, ActiveEnd};
use crate::lease::Holder;
use crate::parts::IngestParts;

const CLOSED: &str =
    "this ingest is not the active one, or still starting: /readyz says which one is";

/// Runs ingest until shutdown: as a standby until it holds the lease, then as the active one.
///
/// # Errors
/// The socket cannot be used, or the store must not hold the tables.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let health = Health::default();
    health.require(&["store", "lease", "publisher", "listing"]);
    let listener = service::http::bind(&settings.http).await?;
    let holder = Holder::new(advertised(&settings, listener.local_addr()?));
    let (front, routes) = channel(None);
    let http = tokio::spawn(service::http::serve(
        listener,
        gate::router(routes, CLOSED),
        health.clone(),
        shutdown.clone(),
    ));
    let ended = stand_by(settings, holder, &front, health, &shutdown).await;
    shutdown.cancel();
    http.await??;
    ended
}

/// Waits for the lease and acts while it is held, again and again.
async fn stand_by(
    settings: Settings,
    holder: Holder,
    front: &Sender<Option<Router>>,
    health: Health,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let location = parts::location(&settings.bucket);
    let may_pass = |error: &ProbeError| matches!(error, ProbeError::Request { .. });
    let proven =
        process::until_works(&health, "store", shutdown, may_pass, || probe::probe(&location))
            .await?;
    if proven.is_none() {
        return Ok(());
    }
    let parts = IngestParts::connect(settings, health).await?;
    while let Some(mut lease) = lease::win(&parts.state, &holder, &parts.health, shutdown).await {
        match lease.during(act(&parts, front, shutdown)).await {
            Some(ended) => {
                lease.give_back().await;
                return ended;
            }
            None => parts.health.trouble("lease", "the lease was lost"),
        }
    }
    Ok(())
}

/// Acts as the active ingest, anew whenever operators have changed the stages.
async fn act(
    parts: &IngestParts,
    front: &Sender<Option<Router>>,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let mut decisions = pipeline::models::follow(parts.state.clone());
    loop {
        tokio::select! {
            known = decisions.wait_for(Option::is_some) => drop(known?),
            () = shutdown.cancelled() => return Ok(()),
        }
        let active = Active::new(parts.clone(), decisions.clone())?;
        match active.run(http::router, front, shutdown).await? {
            ActiveEnd::Stopped => return Ok(()),
            ActiveEnd::StagesChanged => tracing::info!("operators have changed the stages"),
        }
    }
}

/// The address that other processes reach this one under.
fn advertised(settings: &Settings, listening: SocketAddr) -> String {
    if settings.ops.address.is_empty() {
        format!("http://{listening}")
    } else {
        settings.ops.address.trim_end_matches('/').to_owned()
    }
}
