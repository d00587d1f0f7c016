//! The process of a worker: it listens, waits until the store can hold tables, works, and answers
//! over HTTP until the last delivery is settled.

use std::sync::Arc;

use axum::Router;
use inference::Budget;
use pipeline::bucket::Bucket;
use pipeline::models;
use pipeline::state::StateStore;
use service::health::Health;
use service::http;
use service::process;
use table::location::Location;
use table::probe::{self, ProbeError};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::removal::FollowedModels;
use crate::settings::WorkerSettings;

/// A process of a worker: what all its stages share.
#[derive(Debug)]
pub struct WorkerProcess {
    /// Name of this process, in dead letters and in the broker's list of connections.
    pub name: String,
    /// Where the originals lie.
    pub bucket: Bucket,
    /// Where the tables lie.
    pub location: Location,
    /// The state objects in the bucket, which hold the decisions of operators.
    pub state: StateStore,
    /// The conditions under which the process is ready.
    pub health: Health,
    /// Memory that decoded pictures may take together.
    pub in_flight: Budget,
    pub(crate) settings: WorkerSettings,
    // What operators decided about models, as it changes.
    pub(crate) models: FollowedModels,
    // One permit per picture that may be decoded at once.
    pub(crate) decoders: Arc<Semaphore>,
}

impl WorkerProcess {
    async fn new(
        settings: WorkerSettings,
        location: Location,
        health: Health,
        name: String,
    ) -> Self {
        let bucket = Bucket::connect(&settings.bucket).await;
        let state = StateStore::new(bucket.clone(), &settings.bucket);
        Self {
            name,
            bucket,
            location,
            models: models::follow(state.clone()),
            state,
            health,
            in_flight: Budget::new(settings.picture.max_decoded_in_flight),
            decoders: settings.fetch.turns(),
            settings,
        }
    }
}

/// Runs the process of a worker until shutdown.
///
/// It is ready once the store and all of `conditions` are fine. `routes` are served beside health
/// and metrics. `work` is called once, when the store has proved that it can hold tables.
///
/// # Errors
/// The socket cannot be used, the store cannot hold tables, or the error of `work`.
pub async fn run<C, F>(
    settings: WorkerSettings,
    conditions: C,
    routes: Router,
    shutdown: CancellationToken,
    work: impl FnOnce(Arc<WorkerProcess>, CancellationToken) -> F,
) -> anyhow::Result<()>
where
    C: IntoIterator,
    C::Item: AsRef<str>,
    F: Future<Output = anyhow::Result<()>>,
{
    let health = Health::default();
    health.require(["store"]);
    health.require(conditions);
    let listener = http::bind(&settings.http).await?;
    let name = format!("{}@{}", std::process::id(), listener.local_addr()?);
    // It answers until the last delivery is settled: "not ready" says more than a closed port.
    let finished = CancellationToken::new();
    let http = tokio::spawn(http::serve(listener, routes, health.clone(), finished.clone()));
    let worked = async {
        let location = Location {
            uri: settings.bucket.tables_uri(),
            options: settings.bucket.storage_options(),
        };
        let may_pass = |error: &ProbeError| matches!(error, ProbeError::Request { .. });
        let probe = || probe::probe(&location);
        let proved = process::until_works(&health, "store", &shutdown, may_pass, probe).await?;
        let Some(()) = proved else { return Ok(()) };
        let process = WorkerProcess::new(settings, location, health.clone(), name).await;
        work(Arc::new(process), shutdown).await
    }
    .await;
    finished.cancel();
    http.await??;
    worked
}
