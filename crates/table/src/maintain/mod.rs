//! Maintenance keeps tables small and quick: it removes spare rows, merges small fragments, creates
//! and extends indices, and prunes old versions. Only `ingest` may run it, one process at a time:
//! two at once are safe, but each would undo the other's work.

mod compact;
mod index;
mod plan;
mod prune;
mod report;
mod segments;
mod spares;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures::FutureExt;

pub use compact::{Compaction, compact};
pub use index::{Indexing, index};
pub use plan::{LEAST_KEPT, MaintenancePlan};
pub use prune::{Pruning, prune};
pub use report::{CatchUpReport, MaintenanceReport, StepOutcome, TableReport};
pub use spares::{Spares, remove_spares};

use crate::calibration;
use crate::error::TableError;
use crate::ledger::Ledger;
use crate::location::Database;

/// Maintains these tables one after the other. A table that does not exist yet is left out. A step
/// that fails stops neither the other steps nor the other tables.
pub async fn maintain(
    database: &Database,
    tables: &[String],
    plan: &MaintenancePlan,
) -> MaintenanceReport {
    let mut report = MaintenanceReport::default();
    for name in tables {
        let begun = Instant::now();
        let ledger = match Ledger::open(database, name).await {
            Ok(Some(ledger)) => ledger,
            Ok(None) => continue,
            Err(error) => {
                tracing::warn!(table = name, %error, "the table cannot be opened for maintenance");
                report.tables.push(TableReport::unreachable(name, &error));
                continue;
            }
        };
        // Compaction comes before indexing, because fragments that different segments of an index
        // cover are never merged any more.
        report.tables.push(TableReport {
            table: name.clone(),
            spares: step(name, "spares", remove_spares(&ledger)).await,
            compaction: step(name, "compaction", compact(&ledger, plan)).await,
            indexing: step(name, "indexing", index(&ledger, plan)).await,
            calibration: step(name, "calibration", calibration::renew(database, &ledger)).await,
            pruning: step(name, "pruning", prune(&ledger, plan.keep_versions)).await,
            took_ms: begun.elapsed().as_millis() as u64,
        });
    }
    report
}

/// Compacts and indexes this table if an index has fallen so far behind that searches look at too
/// many rows one by one; `None` if there is nothing to do. Cheap then, so that it can be called
/// often: rows may come quicker than whole maintenances do.
///
/// # Errors
/// The store did not answer or refused. Failed steps are in the report.
pub async fn catch_up(
    database: &Database,
    table: &str,
    plan: &MaintenancePlan,
) -> Result<Option<CatchUpReport>, TableError> {
    let Some(ledger) = Ledger::open(database, table).await? else { return Ok(None) };
    if !index::is_behind(&ledger).await? {
        return Ok(None);
    }
    Ok(Some(CatchUpReport {
        compaction: step(table, "compaction", compact(&ledger, plan)).await,
        indexing: step(table, "indexing", index(&ledger, plan)).await,
    }))
}

/// Runs one step. A panic of the table library ends only this step, not the process, which also
/// watches the bucket.
async fn step<T>(
    table: &str,
    name: &str,
    running: impl Future<Output = Result<T, TableError>>,
) -> StepOutcome<T> {
    let reason = match AssertUnwindSafe(running).catch_unwind().await {
        Ok(Ok(result)) => return StepOutcome::Done(result),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "hit a defect in the table library; its message is in the log".to_owned(),
    };
    tracing::warn!(table, step = name, %reason, "a step of the maintenance failed");
    StepOutcome::Failed(reason)
}
