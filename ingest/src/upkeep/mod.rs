//! Keeping the tables and the dead queue in order, on a schedule and on demand. Only the active
//! ingest does it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipeline::dead::Tidied;
use serde::{Deserialize, Serialize};
use service::settings::SettingsError;
use table::ledger::Ledger;
use table::maintain;
use tokio::sync::Mutex;

use crate::active::Parts;
use crate::dead_upkeep::DeadUpkeep;
use crate::index::Index;

/// `[maintain]`: keeping the tables in order.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaintainSettings {
    /// Pause between two rounds.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// Rows per fragment that compaction aims at.
    pub rows_per_fragment: usize,
    /// Rows from which a table gets indices.
    pub index_from_rows: usize,
    /// Age up to which former versions of a table are kept.
    #[serde(with = "humantime_serde")]
    pub keep_versions: Duration,
}

impl MaintainSettings {
    pub(crate) fn validate(&self) -> Result<(), SettingsError> {
        if self.interval < Duration::from_secs(1) {
            return Err(SettingsError::value("maintain.interval", "must be at least 1s"));
        }
        if !(1_024..=1_048_576).contains(&self.rows_per_fragment) {
            return Err(SettingsError::value(
                "maintain.rows_per_fragment",
                "must be from 1024 to 1048576",
            ));
        }
        if self.index_from_rows < 1_000 {
            return Err(SettingsError::value(
                "maintain.index_from_rows",
                "must be at least 1000: fewer rows train no index",
            ));
        }
        if self.keep_versions < maintain::LEAST_KEPT {
            return Err(SettingsError::value(
                "maintain.keep_versions",
                "must be at least 1h: slow readers still use old versions",
            ));
        }
        Ok(())
    }
}

/// What a round did.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Round {
    /// Per table and step.
    pub(crate) tables: maintain::MaintenanceReport,
    /// Dead letters merged with another of the same job.
    pub(crate) dead_merged: usize,
    /// Dead letters dropped because their picture is indexed by now.
    pub(crate) dead_resolved: usize,
    /// What could not be done, one sentence each; it is tried again in the next round.
    pub(crate) failures: Vec<String>,
}

/// Which tables a round looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that have changed, and each now and then.
    Changed,
    /// Every one: somebody asked for it.
    All,
}

// A table that nobody has changed is left alone for this long: looking for spare rows reads all of
// its ids.
const LEFT_ALONE: Duration = Duration::from_secs(3600);

/// Clones share it; two rounds never overlap.
#[derive(Clone)]
pub(crate) struct Upkeep {
    index: Index,
    dead: DeadUpkeep,
    settings: MaintainSettings,
    // Version of each table after its last round, and when that was.
    turn: Arc<Mutex<HashMap<String, (u64, Instant)>>>,
}

impl Upkeep {
    pub(crate) fn new(parts: &Parts, index: Index, dead: DeadUpkeep) -> Self {
        Self { index, dead, settings: parts.settings.maintain.clone(), turn: Arc::default() }
    }

    /// One round after the other. Runs until dropped.
    pub(crate) async fn run_often(&self) {
        loop {
            tokio::time::sleep(self.settings.interval).await;
            self.run(Which::Changed).await;
        }
    }

    /// One round. A step that fails leaves the others to do theirs; the round says which.
    pub(crate) async fn run(&self, which: Which) -> Round {
        let mut after = self.turn.lock().await;
        let plan = maintain::MaintenancePlan {
            target_rows_per_fragment: self.settings.rows_per_fragment,
            index_from_rows: self.settings.index_from_rows,
            keep_versions: self.settings.keep_versions,
        };
        let mut changed = Vec::new();
        for name in self.index.names() {
            let quiet = after
                .get(name)
                .filter(|(_, at)| at.elapsed() < LEFT_ALONE)
                .map(|(version, _)| *version);
            if which == Which::All || quiet.is_none() || quiet != self.version(name).await {
                changed.push(name.clone());
            }
        }
        let tables = maintain::maintain(self.index.database(), &changed, &plan).await;
        for name in changed {
            if let Some(version) = self.version(&name).await {
                after.insert(name, (version, Instant::now()));
            }
        }
        let mut failures = tables.failures();
        let tidied = self.dead.tidy().await.unwrap_or_else(|error| {
            failures.push(format!("the dead letters could not be tidied: {error:#}"));
            Tidied::default()
        });
        for failure in &failures {
            tracing::warn!(failure, "a part of the maintenance failed");
        }
        metrics::counter!("bucketlens_maintain_failures_total").increment(failures.len() as u64);
        metrics::gauge!("bucketlens_maintain_last_timestamp_seconds")
            .set(jiff::Timestamp::now().as_second() as f64);
        Round { tables, dead_merged: tidied.merged, dead_resolved: tidied.resolved, failures }
    }

    /// `None` where the table does not exist or cannot be asked: the round itself finds out.
    async fn version(&self, name: &str) -> Option<u64> {
        let ledger = Ledger::open(self.index.database(), name).await.ok()??;
        ledger.version().await.ok()
    }
}
