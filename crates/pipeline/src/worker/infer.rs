//! Inference: one batch at a time on a blocking thread. When a batch fails, its halves are tried,
//! so that only the culprits fail.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use super::plan::{OutputSource, PlannedBatch};
use super::session::{DecodedObject, Session};
use crate::failure::{Action, Failure};
use crate::stage::{Finished, Stage};

/// A batch that is shared with the model's thread.
struct BatchRun<I> {
    members: Vec<DecodedObject<I>>,
    distinct: Vec<usize>,
}

impl<S: Stage> Session<S> {
    pub(super) async fn infer_batches(
        self: Arc<Self>,
        mut inbox: mpsc::Receiver<PlannedBatch<S::Input, S::Output>>,
        outbox: mpsc::Sender<Vec<Finished<S::Input, S::Output>>>,
    ) {
        let _end = self.ended.clone().drop_guard();
        while let Some(PlannedBatch { members, sources, distinct }) = inbox.recv().await {
            let run = Arc::new(BatchRun { members, distinct });
            let Some(inferred) = self.infer_all(&run).await else { return };
            let Some(BatchRun { members, .. }) = Arc::into_inner(run) else { return };
            let mut rows = Vec::with_capacity(members.len());
            for (DecodedObject { object, input, .. }, source) in members.into_iter().zip(sources) {
                let result = match source {
                    OutputSource::Known(output) => Ok(output),
                    OutputSource::Inferred(place) => {
                        inferred.get(place).cloned().unwrap_or_else(|| Err(no_output()))
                    }
                };
                match result {
                    Ok(output) => rows.push(Finished { object, input, output }),
                    Err(failure) => self.settle(&object, failure.into()).await,
                }
            }
            if !rows.is_empty() && outbox.send(rows).await.is_err() {
                return;
            }
        }
    }

    /// A result for each distinct member. `None`: the session has ended.
    async fn infer_all(
        self: &Arc<Self>,
        run: &Arc<BatchRun<S::Input>>,
    ) -> Option<Vec<Result<S::Output, Failure>>> {
        let mut halt = self.halts.halt();
        loop {
            let results = self.infer_by_halves(run).await?;
            // A few culprits spoil a batch. When every member fails alone, the model is broken.
            let broken = match results.as_slice() {
                [] | [_] => None,
                all => {
                    let alone = |result: &Result<_, Failure>| {
                        result.as_ref().is_err_and(|alone| alone.action == Action::Retry)
                    };
                    all.iter()
                        .all(alone)
                        .then(|| all.iter().find_map(|result| result.as_ref().err()))
                        .flatten()
                }
            };
            let Some(failure) = broken else { return Some(results) };
            let reason = format!("every picture of a batch fails: {}", failure.reason);
            if !halt.again(&Failure::halt("model_unavailable", reason)).await {
                return None;
            }
        }
    }

    /// Runs the whole batch, and the halves of each part that fails. With one culprit among n that
    /// takes about 2 log₂ n runs instead of n. Results are in order.
    async fn infer_by_halves(
        self: &Arc<Self>,
        run: &Arc<BatchRun<S::Input>>,
    ) -> Option<Vec<Result<S::Output, Failure>>> {
        let mut results = Vec::with_capacity(run.distinct.len());
        let whole = 0..run.distinct.len();
        let mut left = vec![whole];
        while let Some(range) = left.pop() {
            if range.is_empty() {
                continue;
            }
            match self.infer(run, range.clone()).await? {
                Ok(outputs) => results.extend(outputs.into_iter().map(Ok)),
                Err(failure) if range.len() == 1 => results.push(Err(failure)),
                Err(_) => left.extend(halves(range)),
            }
        }
        Some(results)
    }

    /// Runs the model over some of the distinct members; waits out a halt. `None`: the session has
    /// ended.
    async fn infer(
        self: &Arc<Self>,
        run: &Arc<BatchRun<S::Input>>,
        range: Range<usize>,
    ) -> Option<Result<Vec<S::Output>, Failure>> {
        let mut halt = self.halts.halt();
        loop {
            let (session, run, range) = (Arc::clone(self), Arc::clone(run), range.clone());
            let begun = Instant::now();
            let work = tokio::task::spawn_blocking(move || {
                let inputs: Vec<_> =
                    run.distinct[range].iter().map(|member| &run.members[*member].input).collect();
                let outputs = session.parts.stage.infer(&inputs)?;
                if outputs.len() == inputs.len() {
                    Ok(outputs)
                } else {
                    let (got, asked) = (outputs.len(), inputs.len());
                    Err(Failure::retry(
                        "inference_failed",
                        format!("the model gave {got} outputs for {asked} pictures"),
                    ))
                }
            });
            let result = work
                .await
                .unwrap_or_else(|panic| Err(Failure::dead_letter("inference_panic", panic)));
            metrics::histogram!("bucketlens_infer_seconds").record(begun.elapsed().as_secs_f64());
            match result {
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

fn no_output() -> Failure {
    Failure::retry("inference_failed", "the model gave no output for this picture")
}

/// The two halves, the first one last, because the caller takes ranges from the end of its list.
pub(super) fn halves(range: Range<usize>) -> [Range<usize>; 2] {
    let middle = range.start + range.len() / 2;
    [middle..range.end, range.start..middle]
}
