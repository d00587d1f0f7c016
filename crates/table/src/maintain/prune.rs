//! Forgetting old versions, and with them the files that only they need.

use std::time::Duration;

use lancedb::table::{Duration as Age, OptimizeAction};
use serde::Serialize;

use crate::conflict::retried;
use crate::error::TableError;
use crate::ledger::Ledger;

/// What was pruned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pruning {
    /// Versions removed.
    pub versions: u64,
    /// Bytes freed on the store.
    pub bytes: u64,
}

/// Removes versions older than this. The newest always stays. Whoever still reads a removed version
/// gets an error, and so may a writer that began with it: below
/// [`LEAST_KEPT`](crate::maintain::LEAST_KEPT) only where nothing runs.
///
/// # Errors
/// The store did not answer or refused.
pub async fn prune(ledger: &Ledger, keep_versions: Duration) -> Result<Pruning, TableError> {
    let older_than =
        Age::from_std(keep_versions).map_err(|error| TableError::rows(&ledger.name, error))?;
    let stats = retried(ledger, |table| async move {
        table
            .optimize(OptimizeAction::Prune {
                older_than: Some(older_than),
                // Files that belong to no version may belong to a commit that is just being made.
                delete_unverified: Some(false),
                error_if_tagged_old_versions: Some(false),
            })
            .await
    })
    .await?;
    Ok(stats.prune.map_or_else(Pruning::default, |removed| Pruning {
        versions: removed.old_versions,
        bytes: removed.bytes_removed,
    }))
}
