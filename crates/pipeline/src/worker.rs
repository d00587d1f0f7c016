//! The one worker loop: receive → skip what exists → fetch → decode → batch → infer → write →
//! settle.
//!
//! It runs in sessions (see `session`): between two of them nothing is consumed and nothing is on
//! loan, because the stage is paused or because the process could not work for so long that it
//! handed everything back.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::batch::BatchSettings;
use crate::bucket::Bucket;
use crate::consume::Subscription;
use crate::session::{self, Ended};
use crate::settle::Settler;
use crate::stage::Stage;
use crate::switch::Switch;
use service::SettingsError;
use service::backoff::Backoff;
use service::health::Health;

pub use crate::halt::HALT_HOLD;

/// `[fetch]`: downloading and decoding.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchSettings {
    /// Objects being downloaded or waiting for a decoder at once.
    pub concurrency: usize,
    /// Objects being decoded at once, one thread each; 0: as many as there are processors.
    pub decoders: usize,
    /// Largest original that is downloaded.
    pub max_object_bytes: u64,
    /// Longest time of decoding one object. Its thread cannot be ended: until it is through, it
    /// keeps its turn of [`decoders`](Self::decoders).
    #[serde(with = "humantime_serde")]
    pub decode_timeout: Duration,
}

impl FetchSettings {
    /// Turns at decoding: one per thread that may decode at once.
    pub fn turns(&self) -> Arc<Semaphore> {
        let turns = match self.decoders {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        Arc::new(Semaphore::new(turns))
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// The first key out of range.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if !(1..=1000).contains(&self.concurrency) {
            return Err(SettingsError::value("fetch.concurrency", "must be from 1 to 1000"));
        }
        if self.decoders > 1000 {
            return Err(SettingsError::value("fetch.decoders", "must be from 0 to 1000"));
        }
        if self.decode_timeout < Duration::from_millis(100) {
            return Err(SettingsError::value("fetch.decode_timeout", "must be at least 100ms"));
        }
        if self.max_object_bytes == 0 {
            return Err(SettingsError::value("fetch.max_object_bytes", "must be at least 1"));
        }
        Ok(())
    }
}

/// What a worker is made of.
#[derive(Debug)]
pub struct WorkerParts<S> {
    /// The meaning of the work.
    pub stage: S,
    /// Where the originals lie.
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
    /// Turns at decoding, shared by all workers of the process: [`FetchSettings::turns`].
    pub decoders: Arc<Semaphore>,
    /// How long a halted worker keeps what it holds: [`HALT_HOLD`].
    pub halt_hold: Duration,
    /// Where a halt shows.
    pub health: Health,
    /// Ends the loop.
    pub shutdown: CancellationToken,
}

/// Works until shutdown, then finishes and commits what has begun, hands back the rest and returns.
///
/// # Errors
/// A part of the loop hit a defect. Nothing is lost: what was held is handed back.
pub async fn run<S: Stage>(parts: WorkerParts<S>) -> anyhow::Result<()> {
    let parts = Arc::new(parts);
    // Whoever could not work for a whole hold looks again after a small part of one.
    let mut rest = Backoff::new(parts.halt_hold / 20, parts.halt_hold / 2);
    while until_it_runs(&parts).await {
        match session::run(&parts).await? {
            Ended::Stopped => break,
            Ended::Paused => rest.reset(),
            Ended::Halted { reason, worked } => {
                if worked {
                    rest.reset();
                }
                parts.health.trouble("work", reason);
                tokio::select! {
                    () = tokio::time::sleep(rest.pause()) => {}
                    () = parts.shutdown.cancelled() => break,
                }
            }
        }
    }
    Ok(())
}

/// Waits while the stage is paused. `false`: the process is stopping.
async fn until_it_runs<S>(parts: &WorkerParts<S>) -> bool {
    let WorkerParts { health, switch, shutdown, .. } = parts;
    let running = switch.running(|waiting| match waiting {
        Ok(paused) => {
            tracing::info!(paused, "resting");
            // Nothing is expected to work now, and what did not work before says nothing.
            for condition in ["work", "consumer"] {
                health.ok(condition);
            }
            health.note("work", paused);
        }
        Err(problem) => {
            health.trouble("work", format!("cannot tell whether the stage is paused: {problem}"))
        }
    });
    let runs = tokio::select! {
        biased;
        () = shutdown.cancelled() => false,
        () = running => true,
    };
    health.unnote("work");
    runs
}
