//! The plan of a search: which signals are asked, and for what.

use table::captions::words::words_of;
use table::filter::Filter;

use super::search::Search;
use crate::problem::{self, Problem};
use crate::query::weights::{Signal, Weights};

/// With more pictures than this behind a filter by keywords, the table of vectors is not searched.
const MAX_WITH_KEYWORDS: usize = 20_000;

/// A search as the tables understand it.
pub(crate) struct QueryPlan {
    /// `None` if no signal needs it, or the words could not be encoded.
    pub(crate) vector: Option<Vec<f32>>,
    /// Terms of the words: as the index of words knows them, and as they were written.
    pub(crate) terms: Vec<(String, String)>,
    pub(crate) weights: Weights,
    /// Filter for the table of vectors, with ids in place of keywords.
    pub(crate) image_filter: Filter,
    /// Signals to ask, in the order of [`Signal::ALL`].
    pub(crate) signals: Vec<Signal>,
    /// What the answer will lack, in sentences.
    pub(crate) degraded: Vec<String>,
}

impl Search<'_> {
    /// Encodes the examples and chooses the signals that can answer.
    ///
    /// # Errors
    /// An example cannot be used. Words that cannot be encoded are no error if the captions can be
    /// searched for them.
    pub(super) async fn plan(&self) -> Result<QueryPlan, Problem> {
        let query = self.query;
        let default = if query.words.is_some() { Weights::default() } else { Weights::PICTURES };
        let weights = query.weights.unwrap_or(default);
        let terms = query.words.as_deref().map(words_of).unwrap_or_default();
        let words_searchable =
            !terms.is_empty() && self.snapshot.captions.is_some() && weights.text > 0.0;
        let mut degraded = Vec::new();
        let vector = if weights.image > 0.0 || weights.caption_vector > 0.0 {
            match self.query_vector().await {
                Ok(vector) => Some(vector),
                Err(problem) if words_searchable && self.is_words_only() => {
                    degraded.push(format!(
                        "only captions, keywords and keys were searched: {}",
                        problem.detail()
                    ));
                    None
                }
                Err(problem) => return Err(problem),
            }
        } else {
            None
        };
        let image_filter = query.filter.clone();
        let signals = Vec::new();
        let mut plan = QueryPlan { vector, terms, weights, image_filter, signals, degraded };
        self.choose_signals(&mut plan, words_searchable);
        self.resolve_keywords(&mut plan).await?;
        Ok(plan)
    }

    /// Whether all examples are words.
    pub(super) fn is_words_only(&self) -> bool {
        self.query.examples.iter().all(|(example, _)| example.is_text())
    }

    fn choose_signals(&self, plan: &mut QueryPlan, words_searchable: bool) {
        let weights = plan.weights;
        let asked_for = self.query.weights.is_some();
        let captions = self.snapshot.captions.as_ref();
        let has_vector = plan.vector.is_some();
        if weights.image > 0.0 && has_vector && self.snapshot.embeddings.is_some() {
            plan.signals.push(Signal::Image);
        }
        if weights.caption_vector > 0.0 && has_vector {
            match captions {
                Some(_) if self.snapshot.captions_comparable => {
                    plan.signals.push(Signal::CaptionVector);
                }
                Some(captions) => plan.degraded.push(format!(
                    "captions were searched as words only: their vectors are of the space '{}'",
                    captions.space().space
                )),
                None if asked_for => {
                    plan.degraded.push(String::from("there are no captions to compare with"));
                }
                None => {}
            }
        }
        let lacks_captions = self.query.words.is_some() && captions.is_none();
        if words_searchable {
            plan.signals.push(Signal::Text);
        } else if asked_for && weights.text > 0.0 && lacks_captions {
            plan.degraded.push(String::from("there are no captions to search for words"));
        }
    }

    /// Replaces keywords by ids in the filter for the table of vectors: only the table of captions
    /// holds keywords.
    async fn resolve_keywords(&self, plan: &mut QueryPlan) -> Result<(), Problem> {
        let filter = &self.query.filter;
        if !filter.needs_captions() {
            return Ok(());
        }
        let ids = match &self.snapshot.captions {
            Some(captions) => {
                captions.ids(filter, MAX_WITH_KEYWORDS).await.map_err(problem::tables)?
            }
            None => Some(Vec::new()),
        };
        match ids {
            Some(ids) => plan.image_filter.image_ids = Some(ids),
            None => {
                plan.signals.retain(|signal| *signal != Signal::Image);
                plan.degraded.push(format!(
                    "pictures were not compared themselves, because more than \
                     {MAX_WITH_KEYWORDS} have these keywords: narrow the filter"
                ));
            }
        }
        Ok(())
    }
}
