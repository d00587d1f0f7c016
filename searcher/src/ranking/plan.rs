//! The plan of a search: what is looked for, by which signals, and how their scores are read.

use std::sync::Arc;

use ::snapshot::words::AskedTerm;
use table::words::terms_of_question;

use super::fusion::Fuser;
use super::question::Question;
use super::reading::SignalReading;
use super::search::Search;
use crate::problem::Problem;
use crate::query::weights::{Signal, Weights};

/// Most terms of a question; further ones are left out.
const MAX_TERMS: usize = 64;

/// A search, ready to be asked.
pub(super) struct RankingPlan {
    pub(super) question: Arc<Question>,
    pub(super) weights: Weights,
    pub(super) fuser: Fuser,
    /// What the answer will lack, in sentences.
    pub(super) degraded: Vec<String>,
}

impl Search<'_> {
    /// Encodes the examples and chooses the signals that can answer.
    ///
    /// # Errors
    /// An example cannot be used. Words that cannot be encoded are no error, because keys and
    /// captions can be searched for them.
    pub(super) async fn plan(&self) -> Result<RankingPlan, Problem> {
        let query = self.query;
        let default = if query.words.is_some() { Weights::default() } else { Weights::PICTURES };
        let weights = query.weights.unwrap_or(default);
        let mut written = query.words.as_deref().map(terms_of_question).unwrap_or_default();
        written.truncate(MAX_TERMS);
        let asks_words = !written.is_empty() && weights.text > 0.0;
        let mut degraded = Vec::new();
        let compares_vectors = weights.image > 0.0 || weights.caption_vector > 0.0;
        let vector = if compares_vectors || query.min_score.is_some() {
            match self.query_vector().await {
                Ok(vector) => Some(vector),
                Err(problem) if asks_words && self.is_words_only() => {
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
        let signals = self.signals(weights, vector.is_some(), asks_words, &mut degraded);
        let terms = if asks_words { self.asked_terms(&written).await? } else { Vec::new() };
        let mut readings = Vec::new();
        for signal in &signals {
            let scale = match (*signal, &vector) {
                (Signal::Image | Signal::CaptionVector, Some(vector)) => {
                    self.scale(*signal, vector).await?
                }
                _ => None,
            };
            let weight = weights.of(*signal) as f32;
            readings.push(SignalReading { signal: *signal, weight, scale });
        }
        let question = Question {
            vector: vector.map(|vector| vector.values),
            terms,
            written,
            excluded: query.excluded.iter().flat_map(|word| terms_of_question(word)).collect(),
            signals,
            filter: query.filter.clone(),
            min_score: query.min_score,
        };
        let fuser = Fuser { readings, fusion: query.fusion, sort: query.sort };
        Ok(RankingPlan { question: Arc::new(question), weights, fuser, degraded })
    }

    /// The signals that can answer, in the order of [`Signal::ALL`].
    fn signals(
        &self,
        weights: Weights,
        has_vector: bool,
        asks_words: bool,
        degraded: &mut Vec<String>,
    ) -> Vec<Signal> {
        let mut signals = Vec::new();
        let asked_for = self.query.weights.is_some();
        if weights.image > 0.0 && has_vector && self.view.has_pictures() {
            signals.push(Signal::Image);
        }
        if weights.caption_vector > 0.0 && has_vector {
            let captions = self.engine.opened_captions();
            let space = captions.as_ref().map(|captions| &captions.space().space);
            match space {
                _ if self.view.compares_captions() => signals.push(Signal::CaptionVector),
                Some(space) if self.versions.captions > 0 => degraded.push(format!(
                    "captions were searched as words only: their vectors are of the space '{space}'"
                )),
                _ if asked_for => {
                    degraded.push(String::from("there are no captions to compare with"));
                }
                _ => {}
            }
        }
        if asks_words {
            signals.push(Signal::Text);
        }
        signals
    }

    /// The terms with their weights: those of the former pages, or how rare they are now.
    async fn asked_terms(&self, written: &[(String, String)]) -> Result<Vec<AskedTerm>, Problem> {
        let weights = match &self.cursor {
            Some(cursor) if cursor.term_weights.len() == written.len() => {
                cursor.term_weights.clone()
            }
            _ => shared(written, self.view.rarities(written).await?),
        };
        let terms = written.iter().zip(weights);
        Ok(terms.map(|((term, _), weight)| AskedTerm { term: term.clone(), weight }).collect())
    }
}

/// Terms of one written word share the word's weight: that of its rarest term.
fn shared(written: &[(String, String)], rarities: Vec<f32>) -> Vec<f32> {
    let of_word = |word: &str| {
        let same = written.iter().zip(&rarities).filter(|((_, other), _)| other == word);
        same.fold((0.0_f32, 0.0_f32), |(rarest, count), (_, rarity)| {
            (rarest.max(*rarity), count + 1.0)
        })
    };
    written
        .iter()
        .map(|(_, word)| {
            let (rarest, count) = of_word(word);
            rarest / count
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_of_one_word_share_its_weight() {
        let written = [("红绿", "红绿灯"), ("绿灯", "红绿灯"), ("car", "car")]
            .map(|(term, word)| (term.to_owned(), word.to_owned()));
        assert_eq!(shared(&written, vec![2.0, 6.0, 1.0]), [3.0, 3.0, 1.0]);
    }
}
