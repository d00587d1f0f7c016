//! The signals of a search: each one asks a table for its best candidates.

mod caption;
mod image;
mod scale;
mod words;

use futures::future::join_all;
use table::TableError;

use super::plan::QueryPlan;
use super::search::Search;
use super::signal_hits::SignalHits;
use crate::problem::{self, Problem};
use crate::query::weights::Signal;

/// What all signals found.
pub(super) struct SignalResults {
    /// In the order of [`Signal::ALL`].
    pub(super) hits: Vec<SignalHits>,
    /// What the answer lacks, in sentences.
    pub(super) degraded: Vec<String>,
}

impl Search<'_> {
    /// Asks every signal of the plan for its best `limit` candidates. A signal that fails is left
    /// out as long as another one answers.
    ///
    /// # Errors
    /// All signals failed.
    pub(super) async fn ask(
        &self,
        plan: &QueryPlan,
        limit: usize,
    ) -> Result<SignalResults, Problem> {
        let asking = plan.signals.iter().map(|signal| self.ask_one(*signal, plan, limit));
        let answers = join_all(asking).await;
        let (mut hits, mut degraded) = (Vec::new(), plan.degraded.clone());
        let mut first_error = None;
        for (signal, answer) in plan.signals.iter().zip(answers) {
            match answer {
                Ok(found) => hits.extend(found),
                Err(error) => {
                    let name = signal.name();
                    tracing::warn!(signal = name, %error, "a signal of a search failed");
                    degraded.push(format!("the signal `{name}` failed and was left out"));
                    first_error.get_or_insert(error);
                }
            }
        }
        match first_error {
            Some(error) if hits.is_empty() => Err(problem::tables(error)),
            _ => Ok(SignalResults { hits, degraded }),
        }
    }

    async fn ask_one(
        &self,
        signal: Signal,
        plan: &QueryPlan,
        limit: usize,
    ) -> Result<Option<SignalHits>, TableError> {
        match signal {
            Signal::Image => image::ask(self, plan, limit).await,
            Signal::CaptionVector => caption::ask(self, plan, limit).await,
            Signal::Text => words::ask(self, plan, limit).await,
        }
    }
}
