//! An operator may remove a stage while its worker runs. The worker then rests, and works again
//! when the removal is taken back.

use pipeline::models::Models;
use pipeline::stage_name::StageName;
use service::health::Health;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What operators decided about models, as it changes; `None` until it was read once.
pub(crate) type FollowedModels = watch::Receiver<Option<Models>>;

fn is_removed(models: &Option<Models>, stage: &StageName) -> bool {
    models.as_ref().is_some_and(|models| models.is_removed(stage))
}

/// Waits while the stage is removed. Returns `false` when the process is stopping.
pub(crate) async fn wait_while_removed(
    mut models: FollowedModels,
    stage: &StageName,
    health: &Health,
    shutdown: &CancellationToken,
) -> bool {
    if is_removed(&models.borrow(), stage) && !shutdown.is_cancelled() {
        // A resting worker is ready although nothing is connected.
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
        health.require(["publisher", "consumer"]);
    }
    let is_kept = |models: &Option<Models>| models.is_some() && !is_removed(models, stage);
    let kept = tokio::select! {
        biased;
        () = shutdown.cancelled() => return false,
        kept = models.wait_for(is_kept) => kept.is_ok(),
    };
    health.unnote(stage.kind().noun());
    health.require(["publisher", "consumer"]);
    kept
}

/// Cancels `working` when the stage is removed.
pub(crate) async fn cancel_when_removed(
    mut models: FollowedModels,
    stage: StageName,
    working: CancellationToken,
) {
    if models.wait_for(|models| is_removed(models, &stage)).await.is_ok() {
        working.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removing(stage: &StageName) -> Models {
        let at = "2026-03-01T12:00:00Z";
        let removal = serde_json::json!({ "at": at, "drop_at": at });
        let removal = serde_json::from_value(removal).unwrap();
        Models { removed: [(stage.clone(), removal)].into(), ..Models::default() }
    }

    #[tokio::test]
    async fn a_removed_stage_rests_ready_until_the_removal_is_taken_back() {
        let (stage, health) = (StageName::embed("a"), Health::default());
        let (decide, models) = watch::channel(Some(removing(&stage)));
        let shutdown = CancellationToken::new();
        let waiting = wait_while_removed(models, &stage, &health, &shutdown);
        tokio::pin!(waiting);
        let early = tokio::time::timeout(std::time::Duration::from_millis(50), &mut waiting).await;
        assert!(early.is_err(), "it rests");
        assert!(health.troubles().is_empty(), "{:?}", health.troubles());
        assert!(health.notes()["model"].contains("ingest models keep a"), "{:?}", health.notes());

        decide.send_replace(Some(Models::default()));
        assert!(waiting.await);
        assert!(health.notes().is_empty());
        assert_eq!(health.troubles().len(), 2, "publisher and consumer have to connect");
    }

    #[tokio::test]
    async fn nothing_starts_before_the_decisions_are_read() {
        let (stage, health) = (StageName::embed("a"), Health::default());
        let (decide, models) = watch::channel(None);
        let shutdown = CancellationToken::new();
        let waiting = wait_while_removed(models, &stage, &health, &shutdown);
        tokio::pin!(waiting);
        let early = tokio::time::timeout(std::time::Duration::from_millis(50), &mut waiting).await;
        assert!(early.is_err());
        decide.send_replace(Some(Models::default()));
        assert!(waiting.await);

        shutdown.cancel();
        let (_decide, models) = watch::channel(None);
        assert!(!wait_while_removed(models, &stage, &health, &shutdown).await, "it is stopping");
    }

    #[tokio::test]
    async fn a_removal_ends_the_work() {
        let stage = StageName::embed("a");
        let (decide, models) = watch::channel(Some(Models::default()));
        let working = CancellationToken::new();
        let ending = tokio::spawn(cancel_when_removed(models, stage.clone(), working.clone()));
        decide.send_replace(Some(removing(&StageName::embed("b"))));
        tokio::task::yield_now().await;
        assert!(!working.is_cancelled(), "another stage was removed");
        decide.send_replace(Some(removing(&stage)));
        ending.await.unwrap();
        assert!(working.is_cancelled());
    }
}
