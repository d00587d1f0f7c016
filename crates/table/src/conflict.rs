//! Trying again what lost the race for the next version of a table.

use std::future::Future;
use std::time::Duration;

use lancedb::Table;
use rand::Rng;

use crate::error::TableError;
use crate::ledger::Ledger;

const TRIES: u32 = 10;
const LONGEST_FIRST_PAUSE_MS: u64 = 200;

/// Runs a change until it is committed. The table library repeats an append or a delete by itself,
/// for half a minute, which many writers on a slow store can exceed; a compaction or an index it
/// does not repeat, and those fail whenever rows that they have read were deleted meanwhile. What a
/// lost attempt wrote stays on the store until it is pruned.
///
/// An append that is repeated may stand in the table twice, if the answer to the first commit was
/// lost: a spare row, as after a second delivery.
///
/// # Errors
/// Anything else than a conflict, or conflicts again and again.
pub(crate) async fn retried<T, F>(
    ledger: &Ledger,
    attempt: impl Fn(Table) -> F,
) -> Result<T, TableError>
where
    F: Future<Output = lancedb::Result<T>>,
{
    let failed = TableError::of(&ledger.name);
    let mut tries = 1;
    loop {
        match attempt(ledger.table.clone()).await {
            Err(error) if tries < TRIES && is_conflict(&error) => {
                tracing::debug!(table = ledger.name, tries, %error, "another change was faster, trying again");
            }
            result => return result.map_err(failed),
        }
        let pause = rand::rng().random_range(0..LONGEST_FIRST_PAUSE_MS * u64::from(tries));
        tokio::time::sleep(Duration::from_millis(pause)).await;
        ledger.table.checkout_latest().await.map_err(&failed)?;
        tries += 1;
    }
}

fn is_conflict(error: &lancedb::Error) -> bool {
    use lance::Error::{CommitConflict, RetryableCommitConflict, TooMuchWriteContention};
    let lancedb::Error::Lance { source } = error else { return false };
    matches!(
        source,
        RetryableCommitConflict { .. } | CommitConflict { .. } | TooMuchWriteContention { .. }
    )
}
