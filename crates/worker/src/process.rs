//! The process of a worker: it listens, waits for a store that tables can rest on, works, and answers
//! until the last delivery is settled.

use std::sync::Arc;

use axum::Router;
use inference::Budget;
use pipeline::batch::BatchSettings;
use pipeline::bucket::{Bucket, BucketSettings};
use pipeline::connection::AmqpSettings;
use pipeline::models::{self, Models};
use pipeline::state::StateStore;
use pipeline::worker::FetchSettings;
use service::health::Health;
use service::http::{self, HttpSettings};
use service::process;
use table::location::Location;
use table::probe::{self, ProbeError};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// The settings that a process of any kind of worker needs.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Where the pictures lie.
    pub bucket: BucketSettings,
    /// The broker.
    pub amqp: AmqpSettings,
    /// Downloading and decoding, for all stages of the process together.
    pub fetch: FetchSettings,
    /// What is committed together.
    pub batch: BatchSettings,
    /// Memory that pictures may take while they are decoded and after, in bytes.
    pub max_decoded_in_flight: u64,
    /// Where health, metrics and status are served.
    pub http: HttpSettings,
}

/// What all stages of one process share.
#[derive(Debug)]
pub struct WorkerProcess {
    /// Who this is, in dead letters and in the broker's list of connections.
    pub name: String,
    /// Where the originals lie.
    pub bucket: Bucket,
    /// Where the tables lie.
    pub location: Location,
    /// Where operators' decisions stand.
    pub state: StateStore,
    /// What can be worked on and what cannot.
    pub health: Health,
    /// Memory of decoded pictures.
    pub in_flight: Budget,
    pub(crate) settings: WorkerSettings,
    pub(crate) decided: watch::Receiver<Option<Models>>,
    // Turns at decoding.
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
            decided: models::follow(state.clone()),
            state,
            health,
            in_flight: Budget::new(settings.max_decoded_in_flight),
            decoders: settings.fetch.turns(),
            settings,
        }
    }
}

/// Runs a worker until shutdown. `conditions` must be fine before it is ready, besides the store;
/// `routes` are served beside health and metrics; `work` gets the process once the store is proven.
///
/// # Errors
/// The socket cannot be used, the store cannot hold tables, or `work` ended with an error.
pub async fn run<F>(
    settings: WorkerSettings,
    conditions: &[&str],
    routes: Router,
    shutdown: CancellationToken,
    work: impl FnOnce(Arc<WorkerProcess>, CancellationToken) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let health = Health::default();
    health.require(&["store"]);
    health.require(conditions);
    let listener = http::bind(&settings.http).await?;
    let name = format!("{}@{}", std::process::id(), listener.local_addr()?);
    // Answers until the last delivery is settled: "not ready" says more than a closed port.
    let finished = CancellationToken::new();
    let http = tokio::spawn(http::serve(listener, routes, health.clone(), finished.clone()));
    let worked = async {
        let location = Location {
            uri: settings.bucket.tables_uri(),
            options: settings.bucket.storage_options(),
        };
        let away = |error: &ProbeError| matches!(error, ProbeError::Request { .. });
        let probe = || probe::probe(&location);
        match process::until_works(&health, "store", &shutdown, away, probe).await? {
            Some(()) => {
                let process = WorkerProcess::new(settings, location, health.clone(), name).await;
                work(Arc::new(process), shutdown).await
            }
            None => Ok(()),
        }
    }
    .await;
    finished.cancel();
    http.await??;
    worked
}
