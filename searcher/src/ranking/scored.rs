//! A picture with the score of every signal.

use crate::query::weights::Signal;

/// How a picture matches the words.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct WordScore {
    /// Share of the words that it holds, weighted by their rarity; from 0 to 1.
    pub(crate) share: f32,
    /// BM25; orders pictures with the same share.
    pub(crate) bm25: f32,
}

/// A picture that searches can find, with the score of every signal that is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ScoredPicture {
    pub(crate) image_id: u128,
    /// Cosine of its vector; `None` without a vector, or where the signal is not asked.
    pub(crate) image: Option<f32>,
    /// Cosine of its caption's vector; `None` as above.
    pub(crate) caption: Option<f32>,
    pub(crate) words: WordScore,
    /// When it was taken, in microseconds since 1970.
    pub(crate) taken: Option<i64>,
    /// Hash of its bytes.
    pub(crate) content: u64,
}

impl ScoredPicture {
    /// The raw score of a signal: a cosine, or BM25. `None` if the signal says nothing of it.
    pub(crate) fn score(&self, signal: Signal) -> Option<f32> {
        match signal {
            Signal::Image => self.image,
            Signal::CaptionVector => self.caption,
            Signal::Text => (self.words.share > 0.0).then_some(self.words.bm25),
        }
    }
}
