//! Keeping the tables and the dead queue in order, and dropping removed stages. Only the active
//! ingest does it.

pub(crate) mod dead_letters;
pub(crate) mod retire;
pub(crate) mod tables;

use pipeline::dead::Tidied;
use serde::Serialize;
use table::maintain::MaintenanceReport;

use self::dead_letters::DeadLetterUpkeep;
use self::tables::{TableScope, TableUpkeep};
use crate::parts::IngestParts;
use crate::watch::index::Index;
use crate::watch::stages::WatchedStages;

/// The report of one round of maintenance.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MaintenanceRound {
    /// Per table and step.
    pub(crate) tables: MaintenanceReport,
    /// Dead letters merged with another of the same job.
    pub(crate) dead_merged: usize,
    /// Dead letters dropped because their picture has been indexed since.
    pub(crate) dead_resolved: usize,
    /// What could not be done, one sentence each; it is tried again in the next round.
    pub(crate) failures: Vec<String>,
}

/// Runs rounds of maintenance. Clones share it; two rounds never overlap.
#[derive(Clone)]
pub(crate) struct Upkeep {
    tables: TableUpkeep,
    dead_letters: DeadLetterUpkeep,
}

impl Upkeep {
    pub(crate) fn new(parts: &IngestParts, index: Index, stages: WatchedStages) -> Self {
        Self {
            tables: TableUpkeep::new(parts.settings.maintain.clone(), index),
            dead_letters: DeadLetterUpkeep::new(parts.settings.amqp.clone(), stages),
        }
    }

    /// One round after the other, and between them indices catch up with new rows. Runs until
    /// dropped.
    pub(crate) async fn run_often(&self) {
        let rounds = async {
            loop {
                tokio::time::sleep(self.tables.interval()).await;
                self.run(TableScope::Changed).await;
            }
        };
        let catching_up = async {
            loop {
                tokio::time::sleep(self.tables.index_interval()).await;
                let failures = self.tables.turn().await.catch_up().await;
                count(&failures);
            }
        };
        let ((), ()) = tokio::join!(rounds, catching_up);
    }

    /// One round. A failed step does not keep the others from running; the round lists it.
    pub(crate) async fn run(&self, scope: TableScope) -> MaintenanceRound {
        let mut turn = self.tables.turn().await;
        let tables = turn.run(scope).await;
        let mut failures = tables.failures();
        let tidied = self.dead_letters.tidy().await.unwrap_or_else(|error| {
            failures.push(format!("the dead letters could not be tidied: {error:#}"));
            Tidied::default()
        });
        drop(turn);
        count(&failures);
        metrics::gauge!("bucketlens_maintain_last_timestamp_seconds")
            .set(jiff::Timestamp::now().as_second() as f64);
        MaintenanceRound {
            tables,
            dead_merged: tidied.merged,
            dead_resolved: tidied.resolved,
            failures,
        }
    }
}

fn count(failures: &[String]) {
    for failure in failures {
        tracing::warn!(failure, "a part of the maintenance failed");
    }
    metrics::counter!("bucketlens_maintain_failures_total").increment(failures.len() as u64);
}
