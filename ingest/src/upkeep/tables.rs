//! Which tables a round of maintenance works on.

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

/// A table's version after its last round, and when that was.
type LastRounds = HashMap<String, (u64, Instant)>;

/// Maintains the tables; clones share it.
#[derive(Clone)]
pub(crate) struct TableUpkeep {
    index: Index,
    settings: MaintainSettings,
    last: Arc<Mutex<LastRounds>>,
}

/// The right to run a round.
pub(crate) struct UpkeepTurn {
    upkeep: TableUpkeep,
    last: OwnedMutexGuard<LastRounds>,
}

impl TableUpkeep {
    pub(crate) fn new(settings: MaintainSettings, index: Index) -> Self {
        Self { index, settings, last: Arc::default() }
    }

    pub(crate) fn interval(&self) -> Duration {
        self.settings.interval
    }

    /// Waits until no other round runs.
    pub(crate) async fn turn(&self) -> UpkeepTurn {
        let last = Arc::clone(&self.last).lock_owned().await;
        UpkeepTurn { upkeep: self.clone(), last }
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
                self.last.insert(table.name().to_owned(), (version, Instant::now()));
            }
        }
        report
    }

    async fn is_due(&self, table: &WatchedTable) -> bool {
        match self.last.get(table.name()) {
            Some((last, at)) if at.elapsed() < LEFT_ALONE => version(table).await != Some(*last),
            _ => true,
        }
    }
}

/// `None` where the table does not exist or the store does not answer: the round finds out.
async fn version(table: &WatchedTable) -> Option<u64> {
    table.version().await.ok().flatten()
}
