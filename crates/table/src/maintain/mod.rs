//! Keeping tables small and quick: spare rows go, small fragments are merged, indices are made and
//! extended, old versions are pruned. Only `ingest` may do this, one process at a time: two at once
//! are safe, but each would undo the other's work.

mod compact;
mod index;
mod prune;
mod spares;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt;
use serde::Serialize;

pub use compact::{Compaction, compact};
pub use index::{Indexing, index};
pub use prune::{Pruning, prune};
pub use spares::{Spares, remove_spares};

use crate::error::TableError;
use crate::ledger::Ledger;
use crate::location::Database;

/// Least time for which versions are kept while anything reads or writes: a reader whose version is
/// pruned fails.
pub const LEAST_KEPT: Duration = Duration::from_secs(3600);

/// When what is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaintenancePlan {
    /// Rows of a fragment that is not merged any further. Less where rows are large.
    pub target_rows_per_fragment: usize,
    /// Rows from which a table gets indices. Below, looking at all rows is quick and exact.
    pub index_from_rows: usize,
    /// Age up to which old versions stay. Not checked here; see [`LEAST_KEPT`].
    pub keep_versions: Duration,
}

impl Default for MaintenancePlan {
    fn default() -> Self {
        Self {
            target_rows_per_fragment: 131_072,
            index_from_rows: 10_000,
            keep_versions: Duration::from_secs(6 * 3600),
        }
    }
}

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome<T> {
    /// It ran; perhaps there was nothing to do.
    Done(T),
    /// It failed, for this reason. It is tried again with the next maintenance.
    Failed(String),
}

impl<T> Outcome<T> {
    /// The result, if there is one.
    pub fn done(&self) -> Option<&T> {
        match self {
            Self::Done(result) => Some(result),
            Self::Failed(_) => None,
        }
    }

    /// The reason, if it failed.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Done(_) => None,
            Self::Failed(reason) => Some(reason),
        }
    }
}

/// The maintenance of one table, steps in the order in which they ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// Name of the table.
    pub table: String,
    /// Spare rows removed.
    pub spares: Outcome<Spares>,
    /// Fragments merged.
    pub compaction: Outcome<Compaction>,
    /// Indices made and extended.
    pub indexing: Outcome<Indexing>,
    /// Old versions removed.
    pub pruning: Outcome<Pruning>,
    /// How long all of it took, in milliseconds.
    pub took_ms: u64,
}

impl TableReport {
    /// The steps that failed, with their reasons.
    pub fn failures(&self) -> Vec<(&'static str, &str)> {
        let reasons = [
            ("spares", self.spares.failure()),
            ("compaction", self.compaction.failure()),
            ("indexing", self.indexing.failure()),
            ("pruning", self.pruning.failure()),
        ];
        reasons.into_iter().filter_map(|(step, reason)| Some((step, reason?))).collect()
    }
}

/// One maintenance of some tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MaintenanceReport {
    /// One entry per table that exists.
    pub tables: Vec<TableReport>,
}

impl MaintenanceReport {
    /// Every step that failed, as one sentence each.
    pub fn failures(&self) -> Vec<String> {
        let sentences = |report: &TableReport| {
            let table = report.table.clone();
            let of_table = report
                .failures()
                .into_iter()
                .map(move |(step, reason)| format!("{step} of table {table}: {reason}"));
            of_table.collect::<Vec<_>>()
        };
        self.tables.iter().flat_map(sentences).collect()
    }
}

/// Maintains these tables one after the other; a table that does not exist yet is left out. A step
/// that fails stops neither the other steps nor the other tables.
pub async fn maintain(
    database: &Database,
    tables: &[String],
    settings: &MaintenancePlan,
) -> MaintenanceReport {
    let mut report = MaintenanceReport::default();
    for name in tables {
        let begun = Instant::now();
        let ledger = match Ledger::open(database, name).await {
            Ok(Some(ledger)) => ledger,
            Ok(None) => continue,
            Err(error) => {
                report.tables.push(unreachable_table(name, &error));
                continue;
            }
        };
        // Merging before indexing: fragments that different parts of an index cover are never
        // merged any more.
        report.tables.push(TableReport {
            table: name.clone(),
            spares: step(name, "spares", remove_spares(&ledger)).await,
            compaction: step(name, "compaction", compact(&ledger, settings)).await,
            indexing: step(name, "indexing", index(&ledger, settings)).await,
            pruning: step(name, "pruning", prune(&ledger, settings.keep_versions)).await,
            took_ms: begun.elapsed().as_millis() as u64,
        });
    }
    report
}

/// Runs one step. A panic of the table library ends this step only, not the process that also
/// watches the bucket.
async fn step<T>(
    table: &str,
    name: &str,
    running: impl Future<Output = Result<T, TableError>>,
) -> Outcome<T> {
    let reason = match AssertUnwindSafe(running).catch_unwind().await {
        Ok(Ok(result)) => return Outcome::Done(result),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "hit a defect in the table library; its message is in the log".to_owned(),
    };
    tracing::warn!(table, step = name, %reason, "a step of the maintenance failed");
    Outcome::Failed(reason)
}

fn unreachable_table(name: &str, error: &TableError) -> TableReport {
    tracing::warn!(table = name, %error, "the table cannot be opened for maintenance");
    TableReport {
        table: name.to_owned(),
        spares: Outcome::Failed(error.to_string()),
        compaction: Outcome::Failed(error.to_string()),
        indexing: Outcome::Failed(error.to_string()),
        pruning: Outcome::Failed(error.to_string()),
        took_ms: 0,
    }
}
