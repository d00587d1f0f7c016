//! The collaborators of a worker.

use std::sync::Arc;
use std::time::Duration;

use service::health::Health;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::settings::FetchSettings;
use crate::batch::BatchSettings;
use crate::bucket::Bucket;
use crate::consume::Subscription;
use crate::settle::Settler;
use crate::switch::Switch;

/// The collaborators of a worker.
#[derive(Debug)]
pub struct WorkerParts<S> {
    /// The meaning of the work.
    pub stage: S,
    /// The bucket with the originals.
    pub bucket: Bucket,
    /// Where the jobs come from.
    pub subscription: Subscription,
    /// Ends deliveries.
    pub settler: Settler,
    /// Whether the stage is paused.
    pub switch: Switch,
    /// When a batch closes.
    pub batch: BatchSettings,
    /// How much is fetched at once.
    pub fetch: FetchSettings,
    /// Permits for decoding, shared by all workers of the process: [`FetchSettings::turns`].
    pub decoders: Arc<Semaphore>,
    /// How long a halted worker keeps its deliveries: [`HALT_HOLD`](super::HALT_HOLD).
    pub halt_hold: Duration,
    /// Where a halt shows.
    pub health: Health,
    /// Ends the loop.
    pub shutdown: CancellationToken,
}
