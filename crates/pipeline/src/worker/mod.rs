//! The one worker loop: receive → skip finished jobs → fetch → decode → batch → infer → write →
//! settle.
//!
//! It runs in sessions (`session.rs`). Between two of them nothing is consumed and nothing is on
//! loan: the stage is paused, or the process could not work for so long that it republished
//! everything.

mod admit;
mod fetch;
mod halt;
mod infer;
mod intake;
mod loans;
mod parts;
mod plan;
mod session;
mod settings;
mod write;

use std::sync::Arc;

use service::backoff::Backoff;
use session::SessionEnd;

use crate::stage::Stage;

pub use halt::HALT_HOLD;
pub use parts::WorkerParts;
pub use settings::FetchSettings;

/// Works until shutdown, then finishes and commits what has begun, republishes the rest and
/// returns.
///
/// # Errors
/// A part of the loop hit a defect. Nothing is lost: all unfinished jobs are republished.
pub async fn run<S: Stage>(parts: WorkerParts<S>) -> anyhow::Result<()> {
    let parts = Arc::new(parts);
    // After a full hold the first retry comes after 1/20 of it.
    let mut rest = Backoff::new(parts.halt_hold / 20, parts.halt_hold / 2);
    while until_resumed(&parts).await {
        match session::run(&parts).await? {
            SessionEnd::Stopped => break,
            SessionEnd::Paused => rest.reset(),
            SessionEnd::Halted { reason, worked } => {
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
async fn until_resumed<S>(parts: &WorkerParts<S>) -> bool {
    let WorkerParts { health, switch, shutdown, .. } = parts;
    let running = switch.running(|waiting| match waiting {
        Ok(paused) => {
            tracing::info!(paused, "resting");
            // A paused worker is not expected to work, and earlier troubles no longer count.
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
