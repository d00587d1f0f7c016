//! Which tables a round of maintenance works on, and which ones only catch up between two rounds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use table::maintain::{self, MaintenanceReport};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::settings::MaintainSettings;
use crate::watch::index::Index;
use crate::watch::watched_table::WatchedTable;

// Looking for spare rows reads all ids of a table, so an unchanged one is left alone for this long.
const LEFT_ALONE: Duration = Duration::from_secs(3600);

/// Which tables a round works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableScope {
    /// The changed ones, and each one after [`LEFT_ALONE`].
    Changed,
    /// Every one, because an operator asked.
    All,
}

/// What is remembered of earlier rounds.
#[derive(Default)]
struct UpkeepMemory {
    /// A table's version after its last round, and when that was.
    rounds: HashMap<String, (u64, Instant)>,
    /// A table's version when its indices were last looked at.
    looked_at: HashMap<String, u64>,
}

/// Maintains the tables; clones share it.
#[derive(Clone)]
pub(crate) struct TableUpkeep {
    index: Index,
    settings: MaintainSettings,
    memory: Arc<Mutex<UpkeepMemory>>,
}

/// The right to run a round.
pub(crate) struct UpkeepTurn {
    upkeep: TableUpkeep,
    memory: OwnedMutexGuard<UpkeepMemory>,
}

impl TableUpkeep {
    pub(crate) fn new(settings: MaintainSettings, index: Index) -> Self {
        Self { index, settings, memory: Arc::default() }
    }

    pub(crate) fn interval(&self) -> Duration {
        self.settings.interval
    }

    pub(crate) fn index_interval(&self) -> Duration {
        self.settings.index_interval
    }

    /// Waits until no other round runs.
    pub(crate) async fn turn(&self) -> UpkeepTurn {
        let memory = Arc::clone(&self.memory).lock_owned().await;
        UpkeepTurn { upkeep: self.clone(), memory }
    }
}

impl UpkeepTurn {
    /// Maintains the tables of this scope.
    pub(crate) async fn run(&mut self, scope: TableScope) -> MaintenanceReport {
        let TableUpkeep { index, settings, .. } = &self.upkeep;
        let mut due = Vec::new();
        for table in index.tables() {
            if scope == TableScope::All || self.is_due(table).await {
                due.push(table);
            }
        }
        let names: Vec<_> = due.iter().map(|table| table.name().to_owned()).collect();
        let report = maintain::maintain(index.database(), &names, &settings.plan()).await;
        for table in due {
            if let Some(version) = version(table).await {
                self.memory.rounds.insert(table.name().to_owned(), (version, Instant::now()));
            }
        }
        report
    }

    /// Compacts and indexes the tables whose indices have fallen far behind. Returns what could not
    /// be done, one sentence each.
    pub(crate) async fn catch_up(&mut self) -> Vec<String> {
        let TableUpkeep { index, settings, .. } = &self.upkeep;
        let mut failures = Vec::new();
        for table in index.tables() {
            let name = table.name();
            let Some(version) = version(table).await else { continue };
            if self.memory.looked_at.get(name) == Some(&version) {
                continue;
            }
            match maintain::catch_up(index.database(), name, &settings.plan()).await {
                Ok(None) => {
                    self.memory.looked_at.insert(name.to_owned(), version);
                }
                // Looked at again, because rows may have come meanwhile.
                Ok(Some(report)) => {
                    tracing::debug!(table = name, ?report, "indices had fallen behind");
                    failures.extend(report.failures().map(|reason| format!("{name}: {reason}")));
                }
                Err(error) => failures.push(error.to_string()),
            }
        }
        failures
    }

    async fn is_due(&self, table: &WatchedTable) -> bool {
        match self.memory.rounds.get(table.name()) {
            Some((last, at)) if at.elapsed() < LEFT_ALONE => version(table).await != Some(*last),
            _ => true,
        }
    }
}

/// `None` where the table does not exist or the store does not answer: the round finds out.
async fn version(table: &WatchedTable) -> Option<u64> {
    table.version().await.ok().flatten()
}
