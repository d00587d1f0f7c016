//! The end of a model that an operator removed: when its grace time is over and nobody works for it
//! any more, its queues, its journal and its table go, in this order, so that a crash in between is
//! taken up where it happened.

use std::time::Duration;

use jiff::Timestamp;
use pipeline::connection;
use pipeline::models::{self, Models, Removal};
use pipeline::stage_name::StageName;
use pipeline::topology::Topology;
use table::ledger;

use crate::active::Parts;
use crate::journal;
use crate::served::{Decided, table_of};

const LOOK_EVERY: Duration = Duration::from_secs(2);
const AFTER_TROUBLE: Duration = Duration::from_secs(10);

/// Looks again and again. Runs until dropped.
pub(crate) async fn run_often(parts: &Parts, decided: Decided) {
    loop {
        let now = decided.borrow().clone().unwrap_or_default();
        let mut pause = LOOK_EVERY;
        for stage in due(&now) {
            match retire(parts, &stage).await {
                Ok(Retired::Kept) => {}
                Ok(Retired::Gone) => {
                    tracing::info!(%stage, "removed: its queues and its table are gone")
                }
                Ok(Retired::InUse) => {
                    tracing::warn!(%stage, "is not removed yet: workers still consume its queues, stop them");
                    pause = AFTER_TROUBLE;
                }
                Err(error) => {
                    tracing::warn!(%stage, "could not be removed, trying again: {error:#}");
                    pause = AFTER_TROUBLE;
                }
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Stages of the models and captioners whose grace time is over and whose table is still there.
fn due(decided: &Models) -> Vec<StageName> {
    let now = Timestamp::now();
    let over = |removal: &Removal| removal.dropped_at.is_none() && removal.drop_at <= now;
    decided
        .removed
        .iter()
        .filter(|(_, removal)| over(removal))
        .map(|(stage, _)| stage.clone())
        .collect()
}

enum Retired {
    Gone,
    /// Somebody still works for it.
    InUse,
    /// The decision was taken back.
    Kept,
}

async fn retire(parts: &Parts, stage: &StageName) -> anyhow::Result<Retired> {
    // Asked again: the decision may have been taken back since it was last read.
    if !due(&models::read(&parts.state).await?).contains(stage) {
        return Ok(Retired::Kept);
    }
    let amqp = &parts.settings.amqp;
    let connection = connection::connect(amqp, "ingest, removing a model").await?;
    let removed = Topology::new(&amqp.namespace).remove(&connection, stage).await;
    connection::close(connection).await;
    if !removed? {
        return Ok(Retired::InUse);
    }
    journal::remove(&parts.state, stage).await?;
    ledger::drop_table(&parts.database, &table_of(stage)).await?;
    let note = |models: &mut Models| {
        if let Some(removal) = models.removed.get_mut(stage) {
            removal.dropped_at = Some(Timestamp::now());
        }
        Ok::<_, std::convert::Infallible>(())
    };
    let Ok(()) = models::change(&parts.state, note).await?;
    Ok(Retired::Gone)
}
