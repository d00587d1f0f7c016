//! How well a picture matches the terms asked for: the share of them that it holds, and BM25.

/// How soon further occurrences of a term stop counting (Robertson and Zaragoza, "The Probabilistic
/// Relevance Framework", 2009, section 3.4.4).
const K1: f32 = 1.2;

/// How much the length of a text counts, from 0 to 1 (same place).
const B: f32 = 0.75;

/// The length of an ordinary text in terms. BM25 divides by the mean length of all texts; a
/// constant keeps a picture's score while other pictures come and go, so that pages of a search
/// neither repeat nor skip.
pub const ORDINARY_LENGTH: f32 = 24.0;

/// At most this many terms are asked for; more are ignored.
pub(super) const MOST_TERMS: usize = 64;

/// A term of a question.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedTerm {
    /// The term, as documents have it.
    pub term: String,
    /// How much it counts; see [`rarity`]. What is not a positive number counts as 0.
    pub weight: f32,
}

/// How well a picture matches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WordMatch {
    /// The picture.
    pub slot: u32,
    /// Sum of the weights of the terms it holds, of all weights: from 0 to 1. It is 1 only if all
    /// terms are held.
    pub share: f32,
    /// BM25 of its texts together, with the weights as the terms' rarity.
    pub bm25: f32,
}

/// How much a term counts that is in `with` of `documents`: `ln(1 + (N - n + 0.5) / (n + 0.5))`,
/// the weight of BM25 that is never negative (Robertson and Zaragoza 2009, section 3.1, with 1
/// added).
pub fn rarity(documents: usize, with: usize) -> f32 {
    let (documents, with) = (documents.max(with) as f64, with as f64);
    (1.0 + (documents - with + 0.5) / (with + 0.5)).ln() as f32
}

/// How well a picture matches that has each of `terms` as often as `occurrences` says, in texts of
/// `length` terms together. For pictures whose texts are not in an index: of each text at most 255
/// occurrences of a term and 65,535 terms are counted.
pub fn match_of(terms: &[AskedTerm], slot: u32, occurrences: &[u32], length: u32) -> WordMatch {
    let weights = TermWeights::of(terms);
    let norm = norm_of(length);
    let mut tally = Tally::default();
    for (at, occurrences) in occurrences.iter().enumerate() {
        tally.add(weights.at(at), *occurrences, norm);
    }
    weights.result(slot, tally)
}

/// What is added to the occurrences of a term in texts of this length.
pub(super) fn norm_of(length: u32) -> f32 {
    K1 * (1.0 - B + B * length as f32 / ORDINARY_LENGTH)
}

/// What is known of a picture after some terms.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    weight: f64,
    held: u32,
    bm25: f32,
}

impl Tally {
    pub(super) fn add(&mut self, weight: f32, occurrences: u32, norm: f32) {
        if occurrences > 0 {
            self.weight += f64::from(weight);
            self.held += 1;
            let occurrences = occurrences as f32;
            self.bm25 += weight * occurrences * (K1 + 1.0) / (occurrences + norm);
        }
    }
}

/// The weights of the terms.
#[derive(Debug)]
pub(super) struct TermWeights {
    weights: Vec<f32>,
    total: f64,
}

impl TermWeights {
    pub(super) fn of(terms: &[AskedTerm]) -> Self {
        let usable = |weight: f32| if weight.is_finite() { weight.max(0.0) } else { 0.0 };
        let mut weights: Vec<_> =
            terms.iter().take(MOST_TERMS).map(|term| usable(term.weight)).collect();
        if weights.iter().all(|weight| *weight == 0.0) {
            weights.fill(1.0);
        }
        let total = weights.iter().map(|weight| f64::from(*weight)).sum();
        Self { weights, total }
    }

    pub(super) fn len(&self) -> usize {
        self.weights.len()
    }

    pub(super) fn at(&self, term: usize) -> f32 {
        self.weights.get(term).copied().unwrap_or_default()
    }

    /// Share of the weight of some terms alone.
    pub(super) fn share(&self, terms: impl IntoIterator<Item = usize>) -> f64 {
        let sum: f64 = terms.into_iter().map(|term| f64::from(self.at(term))).sum();
        sum / self.total
    }

    pub(super) fn result(&self, slot: u32, tally: Tally) -> WordMatch {
        let share = if self.len() > 0 && tally.held as usize == self.len() {
            1.0
        } else {
            ((tally.weight / self.total.max(f64::MIN_POSITIVE)) as f32).min(1.0_f32.next_down())
        };
        WordMatch { slot, share, bm25: tally.bm25 }
    }
}
