//! The scores of candidates: exact cosines, and the words of each one's texts.

use std::collections::HashMap;

use ::snapshot::pictures::text_hash;
use ::snapshot::vectors::dot;
use ::snapshot::words::match_of;
use jiff::Timestamp;
use table::candidates::Candidate;
use table::words::held;

use super::TableView;
use crate::problem::{self, Problem};
use crate::query::weights::Signal;
use crate::ranking::question::Question;
use crate::ranking::scored::{ScoredPicture, WordScore};

impl TableView {
    /// These pictures with the scores of all signals, without those below the least cosine.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub(super) async fn scored(
        &self,
        question: &Question,
        candidates: Vec<Candidate>,
    ) -> Result<Vec<ScoredPicture>, Problem> {
        let ids: Vec<String> = candidates.iter().map(|found| found.image_id.clone()).collect();
        let images = match (&self.embeddings, question.vector_for_pictures()) {
            (Some(table), Some(vector)) => {
                cosines(vector, table.vectors_of(&ids).await.map_err(problem::tables)?)
            }
            _ => HashMap::new(),
        };
        let captions = match (&self.captions, question.vector_for(Signal::CaptionVector)) {
            (Some(table), Some(vector)) => {
                cosines(vector, table.vectors_of(&ids).await.map_err(problem::tables)?)
            }
            _ => HashMap::new(),
        };
        let texts = match question.asks_words() {
            true => self.caption_texts(&ids).await?,
            false => HashMap::new(),
        };
        let facts = self.facts(&ids).await?;
        let mut pictures = Vec::with_capacity(candidates.len());
        for Candidate { image_id, key, content_hash, .. } in candidates {
            let words = match question.asks_words() {
                true => {
                    let text = texts.get(&image_id).map(|caption| caption.words(""));
                    words_of(question, &key, text.as_deref())
                }
                false => WordScore::default(),
            };
            let taken = facts.get(&image_id).and_then(|facts| facts.taken_at);
            pictures.extend(
                question.passed(ScoredPicture {
                    image: images.get(&image_id).copied(),
                    caption: captions.get(&image_id).copied(),
                    words,
                    taken: taken.map(Timestamp::as_microsecond),
                    content: text_hash(&[&content_hash]),
                    image_id: u128::from_str_radix(&image_id, 16)
                        .map_err(|error| Problem::unavailable("an id cannot be read", error))?,
                }),
            );
        }
        Ok(pictures)
    }
}

fn cosines(query: &[f32], vectors: HashMap<String, Vec<f32>>) -> HashMap<String, f32> {
    vectors.into_iter().map(|(id, vector)| (id, dot(query, &vector))).collect()
}

/// How a key and a caption match the words.
pub(super) fn words_of(question: &Question, key: &str, text: Option<&str>) -> WordScore {
    let mut all = held(&question.written, key);
    if let Some(text) = text {
        let more = held(&question.written, text);
        all.occurrences.iter_mut().zip(more.occurrences).for_each(|(count, more)| *count += more);
        all.length += more.length;
    }
    let found = match_of(&question.terms, 0, &all.occurrences, all.length);
    WordScore { share: found.share, bm25: found.bm25 }
}
