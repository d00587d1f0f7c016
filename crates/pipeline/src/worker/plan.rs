//! Planning: a batch closes, and members whose output is known or shared need no model run.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::session::{DecodedObject, Session};
use crate::batch;
use crate::stage::Stage;

/// A batch, and the members on which the model is run.
pub(super) struct PlannedBatch<I, O> {
    pub(super) members: Vec<DecodedObject<I>>,
    /// Where each member's output comes from.
    pub(super) sources: Vec<OutputSource<O>>,
    /// Indexes of the members on which the model is run, each with different content.
    pub(super) distinct: Vec<usize>,
}

/// Where an output comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OutputSource<O> {
    /// From an earlier object with the same content.
    Known(O),
    /// From the model: an index into [`PlannedBatch::distinct`].
    Inferred(usize),
}

impl<S: Stage> Session<S> {
    pub(super) async fn plan_batches(
        self: Arc<Self>,
        mut inbox: mpsc::Receiver<DecodedObject<S::Input>>,
        outbox: mpsc::Sender<PlannedBatch<S::Input, S::Output>>,
    ) {
        // If a part ends by a panic, the others must not go on taking jobs that nobody works on.
        let _end = self.ended.clone().drop_guard();
        while let Some(members) =
            batch::next(&mut inbox, &self.parts.batch, |item| item.size_bytes).await
        {
            metrics::histogram!("bucketlens_batch_rows").record(members.len() as f64);
            let planned = self.plan(members).await;
            if outbox.send(planned).await.is_err() {
                return;
            }
        }
    }

    async fn plan(
        &self,
        members: Vec<DecodedObject<S::Input>>,
    ) -> PlannedBatch<S::Input, S::Output> {
        let inputs: Vec<_> = members.iter().map(|member| &member.input).collect();
        let known = match self.parts.stage.known(&inputs).await {
            Ok(known) if known.len() == inputs.len() => known
                .into_iter()
                .zip(&members)
                .map(|(known, member)| known.filter(|_| !member.fresh))
                .collect(),
            Ok(known) => {
                tracing::error!(
                    got = known.len(),
                    asked = inputs.len(),
                    "the stage gave another number of known outputs, none is used"
                );
                vec![None; inputs.len()]
            }
            Err(failure) => {
                tracing::warn!(%failure, "known outputs cannot be looked up, the model is run");
                vec![None; inputs.len()]
            }
        };
        let contents = inputs.iter().map(|input| self.parts.stage.content(input));
        let (sources, distinct) = share(known, contents);
        metrics::counter!("bucketlens_inferences_saved_total")
            .increment((members.len() - distinct.len()) as u64);
        PlannedBatch { members, sources, distinct }
    }
}

/// Members with the same content share one output.
fn share<'a, O>(
    known: Vec<Option<O>>,
    contents: impl Iterator<Item = Option<&'a str>>,
) -> (Vec<OutputSource<O>>, Vec<usize>) {
    let (mut distinct, mut seen) = (Vec::new(), HashMap::new());
    let mut source = |member, known: Option<O>, content: Option<&'a str>| {
        if let Some(output) = known {
            return OutputSource::Known(output);
        }
        let place = match content {
            Some(content) => *seen.entry(content).or_insert(distinct.len()),
            None => distinct.len(),
        };
        if place == distinct.len() {
            distinct.push(member);
        }
        OutputSource::Inferred(place)
    };
    let sources = known
        .into_iter()
        .zip(contents)
        .enumerate()
        .map(|(member, (known, content))| source(member, known, content));
    (sources.collect(), distinct)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_contents_are_inferred_once_and_known_ones_never() {
        let known = vec![None, Some(7), None, None, None, None];
        let contents = [Some("a"), Some("a"), None, Some("b"), Some("a"), None];
        let (sources, distinct) = share(known, contents.into_iter());
        use OutputSource::{Inferred, Known};
        assert_eq!(
            sources,
            [Inferred(0), Known(7), Inferred(1), Inferred(2), Inferred(0), Inferred(3)]
        );
        assert_eq!(distinct, [0, 2, 3, 5]);
    }
}
