//! The search by words in the tables: in small ones every text is looked at, in large ones the
//! index of words names candidates.

use std::cmp::Ordering;
use std::collections::HashSet;

use ::snapshot::words::rarity;
use table::candidates::{Candidate, Candidates};
use table::filter::Filter;
use table::words::held;

use super::TableView;
use super::scores::words_of;
use crate::problem::{self, Problem};
use crate::ranking::question::Question;

/// In tables of at most so many rows every text is looked at.
const MAX_READ_ROWS: usize = 10_000;
/// Rows with a word that are counted in a larger table.
const MAX_COUNTED: usize = 10_000;

/// The texts of a picture.
#[derive(Debug, Clone)]
pub(crate) struct PictureTexts {
    candidate: Candidate,
    caption: Option<String>,
}

impl TableView {
    async fn is_small(&self) -> Result<bool, Problem> {
        Ok(self.exact || self.rows().await? <= MAX_READ_ROWS)
    }

    /// The texts of all pictures that may be shown, read once.
    async fn all_texts(&self) -> Result<&Vec<PictureTexts>, Problem> {
        let read = || async {
            let mut candidates = self.all_candidates(&Filter::default()).await?;
            let newest = self.newest(&candidates).await?;
            candidates.retain(|found| {
                let object = (found.bucket.clone(), found.key.clone());
                newest.get(&object) == Some(&found.image_id)
            });
            let ids: Vec<_> = candidates.iter().map(|found| found.image_id.clone()).collect();
            let mut captions = self.caption_texts(&ids).await?;
            let with_caption = |candidate: Candidate| PictureTexts {
                caption: captions.remove(&candidate.image_id).map(|caption| caption.words("")),
                candidate,
            };
            Ok(candidates.into_iter().map(with_caption).collect())
        };
        self.texts.get_or_try_init(read).await
    }

    /// All pictures that meet a filter, former versions among them, each once.
    async fn all_candidates(&self, filter: &Filter) -> Result<Vec<Candidate>, Problem> {
        let (mut all, mut seen) = (Vec::new(), HashSet::new());
        for ledger in self.ledgers() {
            let rows = ledger.all_candidates(filter).await.map_err(problem::tables)?;
            all.extend(rows.into_iter().filter(|found| seen.insert(found.image_id.clone())));
        }
        Ok(all)
    }

    /// How rare each term is among the pictures that may be shown.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub(crate) async fn rarities(&self, terms: &[(String, String)]) -> Result<Vec<f32>, Problem> {
        if self.is_small().await? {
            let texts = self.all_texts().await?;
            let mut counts = vec![0; terms.len()];
            for PictureTexts { candidate, caption } in texts {
                let key = held(terms, &candidate.key).occurrences;
                let caption = held(terms, caption.as_deref().unwrap_or_default()).occurrences;
                let holds = key.iter().zip(&caption).map(|(key, caption)| key + caption > 0);
                counts
                    .iter_mut()
                    .zip(holds)
                    .for_each(|(count, holds)| *count += usize::from(holds));
            }
            return Ok(counts.into_iter().map(|count| rarity(texts.len(), count)).collect());
        }
        let (rows, mut rarities) = (self.rows().await?, Vec::new());
        let all = Filter::default();
        for (_, written) in terms {
            let counted = match &self.captions {
                Some(captions) => {
                    let found = captions.matching(written, &all, MAX_COUNTED, false);
                    found.await.map_err(problem::tables)?.best.len()
                }
                None => 0,
            };
            rarities.push(rarity(rows, counted));
        }
        Ok(rarities)
    }

    /// The pictures whose words match best.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub(super) async fn with_words(
        &self,
        question: &Question,
        filter: &Filter,
        limit: usize,
    ) -> Result<Candidates, Problem> {
        if self.is_small().await? {
            return self.reading_all(question, filter, limit).await;
        }
        let Some(captions) = &self.captions else {
            return Ok(Candidates { best: Vec::new(), is_full: false });
        };
        let words: Vec<&str> = question.written.iter().map(|(_, word)| word.as_str()).collect();
        let words = words.join(" ");
        // Those with all words come first, whatever the index thinks of their length.
        let asked = &question.filter;
        let (all, some) = tokio::try_join!(
            captions.matching(&words, asked, limit, true),
            captions.matching(&words, asked, limit, false),
        )
        .map_err(problem::tables)?;
        let is_full = all.is_full || some.is_full;
        let mut seen = HashSet::new();
        let best = all.best.into_iter().chain(some.best);
        let best = best.filter(|found| seen.insert(found.image_id.clone())).collect();
        Ok(Candidates { best, is_full })
    }

    async fn reading_all(
        &self,
        question: &Question,
        filter: &Filter,
        limit: usize,
    ) -> Result<Candidates, Problem> {
        let met: HashSet<String> = self
            .all_candidates(filter)
            .await?
            .into_iter()
            .map(|candidate| candidate.image_id)
            .collect();
        let mut found = Vec::new();
        for PictureTexts { candidate, caption } in self.all_texts().await? {
            if met.contains(&candidate.image_id) {
                let words = words_of(question, &candidate.key, caption.as_deref());
                if words.share > 0.0 {
                    found.push((words, candidate.clone()));
                }
            }
        }
        found.sort_by(|(a, one), (b, other)| {
            let by_words: Ordering =
                b.share.total_cmp(&a.share).then_with(|| b.bm25.total_cmp(&a.bm25));
            by_words.then_with(|| one.image_id.cmp(&other.image_id))
        });
        let is_full = found.len() > limit;
        let best = found.into_iter().take(limit).map(|(_, candidate)| candidate).collect();
        Ok(Candidates { best, is_full })
    }
}
