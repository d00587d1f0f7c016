//! The end of a removed model or captioner. Once its grace period is over and no worker consumes
//! its queues, its queues, its journal and its table are deleted, in this order, so that a restart
//! goes on where a crash interrupted it.

use std::time::Duration;

use jiff::Timestamp;
use pipeline::connection;
use pipeline::models::{self, Models, Removal};
use pipeline::stage_name::StageName;
use pipeline::topology::Topology;
use table::{calibration, ledger};

use crate::parts::IngestParts;
use crate::watch::journal;
use crate::watch::stages::ModelDecisions;
use crate::watch::watched_table::table_of;

const LOOK_EVERY: Duration = Duration::from_secs(2);
const AFTER_TROUBLE: Duration = Duration::from_secs(10);

/// Retires stages as they fall due. Runs until dropped.
pub(crate) async fn run_often(parts: &IngestParts, decisions: ModelDecisions) {
    loop {
        let now = decisions.borrow().clone().unwrap_or_default();
        let mut pause = LOOK_EVERY;
        for stage in due(&now) {
            match retire(parts, &stage).await {
                Ok(Retired::Kept) => {}
                Ok(Retired::Gone) => {
                    tracing::info!(%stage, "removed: its queues and its table are gone")
                }
                Ok(Retired::InUse) => {
                    tracing::warn!(
                        %stage,
                        "is not removed yet: workers still consume its queues, stop them"
                    );
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

/// Removed stages whose grace period is over and whose table still exists.
fn due(decisions: &Models) -> Vec<StageName> {
    let now = Timestamp::now();
    let over = |removal: &Removal| removal.dropped_at.is_none() && removal.drop_at <= now;
    decisions
        .removed
        .iter()
        .filter(|(_, removal)| over(removal))
        .map(|(stage, _)| stage.clone())
        .collect()
}

enum Retired {
    Gone,
    /// A worker still consumes its queues.
    InUse,
    /// The operator took the removal back.
    Kept,
}

async fn retire(parts: &IngestParts, stage: &StageName) -> anyhow::Result<Retired> {
    // Read again, because the operator may have taken the removal back.
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
    calibration::remove(&parts.database, &table_of(stage)).await?;
    let note = |models: &mut Models| {
        if let Some(removal) = models.removed.get_mut(stage) {
            removal.dropped_at = Some(Timestamp::now());
        }
        Ok::<_, std::convert::Infallible>(())
    };
    let Ok(()) = models::change(&parts.state, note).await?;
    Ok(Retired::Gone)
}
