//! An operator may remove a stage while it is worked for: then its worker rests, and works again when
//! the removal is taken back.

use pipeline::models::Models;
use pipeline::stage_name::StageName;
use service::health::Health;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) type Decided = watch::Receiver<Option<Models>>;

fn is_removed(decided: &Option<Models>, stage: &StageName) -> bool {
    decided.as_ref().is_some_and(|decided| decided.is_removed(stage))
}

/// Waits until the stage is not removed. `false`: the process is stopping.
pub(crate) async fn kept(
    mut decided: Decided,
    stage: &StageName,
    health: &Health,
    shutdown: &CancellationToken,
) -> bool {
    if is_removed(&decided.borrow(), stage) && !shutdown.is_cancelled() {
        // Nothing is expected to work now.
        for condition in ["work", "publisher", "consumer"] {
            health.ok(condition);
        }
        let id = stage.id();
        health.note(
            stage.kind().noun(),
            format!("removed by an operator: `ingest models keep {id}` takes that back"),
        );
        tracing::info!(%stage, "resting, because an operator removed it");
    } else {
        health.require(&["publisher", "consumer"]);
    }
    let kept = |decided: &Option<Models>| decided.is_some() && !is_removed(decided, stage);
    let kept = tokio::select! {
        biased;
        () = shutdown.cancelled() => return false,
        kept = decided.wait_for(kept) => kept.is_ok(),
    };
    health.unnote(stage.kind().noun());
    health.require(&["publisher", "consumer"]);
    kept
}

/// Cancels `working` when the stage is removed.
pub(crate) async fn end_when_removed(
    mut decided: Decided,
    stage: StageName,
    working: CancellationToken,
) {
    if decided.wait_for(|decided| is_removed(decided, &stage)).await.is_ok() {
        working.cancel();
    }
}
