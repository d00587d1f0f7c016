//! What candidates are looked for by.

use ::snapshot::words::AskedTerm;
use table::filter::Filter;

use super::scored::ScoredPicture;
use crate::query::weights::Signal;

/// A search as a view of the tables understands it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Question {
    /// `None` if no signal needs it, or the words could not be encoded.
    pub(crate) vector: Option<Vec<f32>>,
    /// The terms of the words, each with its weight.
    pub(crate) terms: Vec<AskedTerm>,
    /// The same terms with the words that they come from, as they are written.
    pub(crate) written: Vec<(String, String)>,
    /// Terms of the words that no hit may hold, with the words as they are written.
    pub(crate) excluded: Vec<(String, String)>,
    /// Signals to ask, in the order of [`Signal::ALL`].
    pub(crate) signals: Vec<Signal>,
    pub(crate) filter: Filter,
    /// Least cosine of pictures.
    pub(crate) min_score: Option<f32>,
}

impl Question {
    /// The query vector, if this signal is asked.
    pub(crate) fn vector_for(&self, signal: Signal) -> Option<&[f32]> {
        self.vector.as_deref().filter(|_| self.signals.contains(&signal))
    }

    /// Whether the words are asked for.
    pub(crate) fn asks_words(&self) -> bool {
        self.signals.contains(&Signal::Text) && !self.terms.is_empty()
    }

    /// The query vector, if pictures are compared with it: because the signal is asked, or because
    /// they must reach the least cosine.
    pub(crate) fn vector_for_pictures(&self) -> Option<&[f32]> {
        let is_compared = self.min_score.is_some() || self.signals.contains(&Signal::Image);
        self.vector.as_deref().filter(|_| is_compared)
    }

    /// A picture with its scores, if it passes the least cosine that is asked for. One without a
    /// vector does not. The cosine is left out if its signal is not asked.
    pub(crate) fn passed(&self, picture: ScoredPicture) -> Option<ScoredPicture> {
        let reaches = |min| picture.image.is_some_and(|cosine| cosine >= min);
        let is_asked = self.signals.contains(&Signal::Image);
        let image = picture.image.filter(|_| is_asked);
        self.min_score.is_none_or(reaches).then_some(ScoredPicture { image, ..picture })
    }
}
