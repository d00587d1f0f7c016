//! Repeating a change that lost the race for the next version of a table.

use std::future::Future;
use std::time::Duration;

use lancedb::Table;
use rand::Rng;

const TRIES: u32 = 10;
const LONGEST_FIRST_PAUSE_MS: u64 = 200;

/// Runs a change until it is committed. The table library itself repeats an append or a delete for
/// half a minute, which many writers on a slow store can exceed. It never repeats a compaction or
/// an index, and those fail whenever rows that they have read are deleted meanwhile. The files of a
/// lost attempt stay on the store until they are pruned.
///
/// If the answer to a successful commit was lost, a repeated append stores its rows twice: spare
/// rows, as after a second delivery.
///
/// # Errors
/// The tenth conflict, or any other error.
pub(crate) async fn retried<T, F>(table: &Table, change: impl Fn(Table) -> F) -> lancedb::Result<T>
where
    F: Future<Output = lancedb::Result<T>>,
{
    let mut tries = 1;
    loop {
        match change(table.clone()).await {
            Err(error) if tries < TRIES && is_conflict(&error) => {
                let table = table.name();
                tracing::debug!(table, tries, %error, "another change was faster, trying again");
            }
            result => return result,
        }
        let pause = rand::rng().random_range(0..LONGEST_FIRST_PAUSE_MS * u64::from(tries));
        tokio::time::sleep(Duration::from_millis(pause)).await;
        table.checkout_latest().await?;
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
