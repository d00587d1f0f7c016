//! Writing: one commit per batch. When a batch cannot be stored, its halves are tried, so that only
//! the culprits fail.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use super::infer::halves;
use super::session::Session;
use crate::failure::{Action, Failure};
use crate::settle::JobOutcome;
use crate::stage::{Finished, Stage};

impl<S: Stage> Session<S> {
    pub(super) async fn write_batches(
        self: Arc<Self>,
        mut inbox: mpsc::Receiver<Vec<Finished<S::Input, S::Output>>>,
    ) {
        let _end = self.ended.clone().drop_guard();
        while let Some(rows) = inbox.recv().await {
            let begun = Instant::now();
            if self.write_by_halves(&rows).await.is_none() {
                return;
            }
            metrics::histogram!("bucketlens_write_seconds").record(begun.elapsed().as_secs_f64());
        }
    }

    /// Writes the whole batch, and the halves of each part that fails. Settles each row as soon as
    /// its outcome is known. `None`: the session has ended.
    async fn write_by_halves(&self, rows: &[Finished<S::Input, S::Output>]) -> Option<()> {
        let whole = 0..rows.len();
        let mut left = vec![whole];
        while let Some(range) = left.pop() {
            let some = &rows[range.clone()];
            let outcome = match self.write(some).await? {
                Ok(()) => JobOutcome::Done,
                Err(failure) if some.len() <= 1 => failure.into(),
                Err(_) => {
                    left.extend(halves(range));
                    continue;
                }
            };
            for row in some {
                self.settle(&row.object, outcome.clone()).await;
            }
        }
        Some(())
    }

    /// Writes some rows; waits out a halt. `None`: the session has ended.
    async fn write(&self, rows: &[Finished<S::Input, S::Output>]) -> Option<Result<(), Failure>> {
        let mut halt = self.halts.halt();
        loop {
            match self.parts.stage.write(rows).await {
                Err(failure) if failure.action == Action::Halt => {
                    if !halt.again(&failure).await {
                        return None;
                    }
                }
                result => return Some(result),
            }
        }
    }
}
