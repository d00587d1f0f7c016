//! Pruning: old versions are removed, with the files that only they need.

use std::time::Duration;

use lancedb::table::{Duration as Age, OptimizeAction};
use serde::Serialize;

use crate::error::TableError;
use crate::ledger::Ledger;

/// The result of pruning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pruning {
    /// Versions removed.
    pub versions: u64,
    /// Bytes freed on the store.
    pub bytes: u64,
}

/// Removes versions older than this; the newest always stays. Reading a removed version fails, and
/// so may a commit that began with it. Less than [`LEAST_KEPT`](crate::maintain::LEAST_KEPT) is
/// safe only if no other process uses the table.
///
/// # Errors
/// The store did not answer or refused.
pub async fn prune(ledger: &Ledger, keep_versions: Duration) -> Result<Pruning, TableError> {
    let older_than = Age::from_std(keep_versions).map_err(|error| ledger.unusable(error))?;
    let stats = ledger
        .change(|table| async move {
            let action = OptimizeAction::Prune {
                older_than: Some(older_than),
                // A file that belongs to no version may belong to a commit in progress.
                delete_unverified: Some(false),
                error_if_tagged_old_versions: Some(false),
            };
            table.optimize(action).await
        })
        .await?;
    Ok(stats.prune.map_or_else(Pruning::default, |removed| Pruning {
        versions: removed.old_versions,
        bytes: removed.bytes_removed,
    }))
}
