//! Candidates: what each signal finds in its table. More are asked for while too few of them may be
//! shown.

use std::collections::{HashMap, HashSet};

use futures::future::join_all;
use table::TableError;
use table::candidates::{Candidate, Candidates};
use table::filter::{Filter, MissingFact};
use table::keyword;
use table::words::{held, words_held};

use super::TableView;
use crate::problem::{self, Problem};
use crate::query::weights::Signal;
use crate::ranking::question::Question;

/// Keywords that more pictures have are looked up candidate by candidate.
const MAX_NAMED: usize = 20_000;

/// What all signals found.
pub(super) struct FoundCandidates {
    /// Each picture once.
    pub(super) candidates: Vec<Candidate>,
    pub(super) has_more: bool,
    pub(super) exact: bool,
    pub(super) degraded: Vec<String>,
}

/// What one signal found.
struct SignalCandidates {
    best: Vec<Candidate>,
    has_more: bool,
    exact: bool,
}

impl TableView {
    /// The best `limit` pictures of every signal that may be shown.
    ///
    /// # Errors
    /// All signals failed, or the filter cannot be looked up.
    pub(super) async fn candidates(
        &self,
        question: &Question,
        limit: usize,
    ) -> Result<FoundCandidates, Problem> {
        let filter = self.image_filter(&question.filter).await?;
        let asking =
            question.signals.iter().map(|signal| self.ask(*signal, question, &filter, limit));
        let answers = join_all(asking).await;
        let mut found = FoundCandidates {
            candidates: Vec::new(),
            has_more: false,
            exact: true,
            degraded: Vec::new(),
        };
        let (mut seen, mut first_problem) = (HashSet::new(), None);
        for (signal, answer) in question.signals.iter().zip(answers) {
            match answer {
                Ok(one) => {
                    found.has_more |= one.has_more;
                    found.exact &= one.exact;
                    let new =
                        one.best.into_iter().filter(|found| seen.insert(found.image_id.clone()));
                    found.candidates.extend(new);
                }
                Err(problem) => {
                    let name = signal.name();
                    tracing::warn!(
                        signal = name,
                        error = problem.detail(),
                        "a signal of a search failed"
                    );
                    let lack = format!("the signal `{name}` failed and was left out");
                    found.degraded.push(lack);
                    first_problem.get_or_insert(problem);
                }
            }
        }
        match first_problem {
            Some(problem) if found.degraded.len() == question.signals.len() => Err(problem),
            _ => Ok(found),
        }
    }

    /// Asks one signal, for more and more rows while too few of them may be shown.
    async fn ask(
        &self,
        signal: Signal,
        question: &Question,
        filter: &Filter,
        limit: usize,
    ) -> Result<SignalCandidates, Problem> {
        let rows = self.rows().await?;
        let mut asked = limit.saturating_add(limit / 4 + 4).min(rows.max(1));
        loop {
            let (Candidates { best, is_full }, exact) =
                self.ask_once(signal, question, filter, asked).await?;
            let best = self.may_be_shown(question, best).await?;
            if best.len() >= limit || !is_full || asked >= rows {
                let has_more = best.len() >= limit;
                return Ok(SignalCandidates {
                    best: best.into_iter().take(limit).collect(),
                    has_more,
                    exact,
                });
            }
            asked = asked.saturating_mul(4).min(rows);
        }
    }

    async fn ask_once(
        &self,
        signal: Signal,
        question: &Question,
        filter: &Filter,
        limit: usize,
    ) -> Result<(Candidates, bool), Problem> {
        let nothing = Candidates { best: Vec::new(), is_full: false };
        let vector = question.vector_for(signal);
        let asked: Result<_, TableError> = match (signal, vector) {
            (Signal::Image, Some(vector)) => match &self.embeddings {
                Some(table) => table.candidates(vector, filter, self.exact, limit).await,
                None => Ok((nothing, true)),
            },
            (Signal::CaptionVector, Some(vector)) => match &self.captions {
                Some(table) => {
                    let filter = &question.filter;
                    let found = table.candidates(vector, filter, self.exact, limit).await;
                    found.map(|found| (found, true))
                }
                None => Ok((nothing, true)),
            },
            (Signal::Text, _) => {
                return Ok((self.with_words(question, filter, limit).await?, true));
            }
            _ => Ok((nothing, true)),
        };
        asked.map_err(problem::tables)
    }

    /// The filter for the table of vectors: few pictures with keywords are named one by one.
    async fn image_filter(&self, filter: &Filter) -> Result<Filter, Problem> {
        let mut named = filter.clone();
        let is_named = !filter.keywords.all.is_empty() || !filter.keywords.any.is_empty();
        if let (true, Some(captions)) = (is_named, &self.captions) {
            named.image_ids = captions.ids(filter, MAX_NAMED).await.map_err(problem::tables)?;
        }
        Ok(named)
    }

    /// Those candidates that are the newest version of their object, meet what only captions know,
    /// and hold no excluded word.
    pub(super) async fn may_be_shown(
        &self,
        question: &Question,
        mut candidates: Vec<Candidate>,
    ) -> Result<Vec<Candidate>, Problem> {
        let newest = self.newest(&candidates).await?;
        candidates.retain(|found| {
            let object = (found.bucket.clone(), found.key.clone());
            newest.get(&object) == Some(&found.image_id)
        });
        let filter = &question.filter;
        if question.excluded.is_empty() && !filter.needs_captions() {
            return Ok(candidates);
        }
        let ids: Vec<_> = candidates.iter().map(|found| found.image_id.clone()).collect();
        let captions = self.caption_texts(&ids).await?;
        candidates.retain(|found| {
            let caption = captions.get(&found.image_id);
            let keywords: Vec<String> = caption
                .iter()
                .flat_map(|caption| &caption.keywords)
                .map(|word| keyword::normalised(word))
                .collect();
            let lacks = |fact: &MissingFact| match fact {
                MissingFact::Caption => caption.is_none(),
                MissingFact::Keywords => keywords.is_empty(),
                MissingFact::TakenAt | MissingFact::Place => true,
            };
            let has = |word: &String| keywords.contains(&keyword::normalised(word));
            let text = caption.map(|caption| caption.words("")).unwrap_or_default();
            filter.keywords.admits(has)
                && filter.missing.iter().all(lacks)
                && !holds_any(&question.excluded, &[&found.key, &text])
        });
        Ok(candidates)
    }
}

/// Whether some texts together hold one of the words.
fn holds_any(words: &[(String, String)], texts: &[&str]) -> bool {
    let mut occurrences: HashMap<usize, u32> = HashMap::new();
    for text in texts {
        for (place, count) in held(words, text).occurrences.into_iter().enumerate() {
            *occurrences.entry(place).or_default() += count;
        }
    }
    let occurrences: Vec<u32> =
        (0..words.len()).map(|place| occurrences.get(&place).copied().unwrap_or(0)).collect();
    !words_held(words, &occurrences).is_empty()
}
