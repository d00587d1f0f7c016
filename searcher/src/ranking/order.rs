//! The order of hits.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// The place of a picture in the order of a search. The least comes first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct HitPlace {
    /// When it was taken, if hits are sorted by that, in microseconds since 1970.
    #[serde(rename = "t")]
    pub(crate) taken: Option<i64>,
    /// What all signals count together; of a single signal, its score.
    #[serde(rename = "s")]
    pub(crate) score: f32,
    /// BM25.
    #[serde(rename = "b")]
    pub(crate) bm25: f32,
    /// The sum of the calibrated scores: orders pictures whose scores do not count.
    #[serde(rename = "d")]
    pub(crate) depth: f32,
    #[serde(rename = "i")]
    pub(crate) image_id: u128,
}

impl Eq for HitPlace {}

impl PartialOrd for HitPlace {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for HitPlace {
    /// The latest first and those without a date last, then by score, BM25 and depth, then by id,
    /// so that the order is always the same.
    fn cmp(&self, other: &Self) -> Ordering {
        let taken = other.taken.cmp(&self.taken);
        taken
            .then_with(|| other.score.total_cmp(&self.score))
            .then_with(|| other.bm25.total_cmp(&self.bm25))
            .then_with(|| other.depth.total_cmp(&self.depth))
            .then_with(|| self.image_id.cmp(&other.image_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_pictures_and_greater_scores_come_first() {
        let place =
            |taken, score, bm25, depth, image_id| HitPlace { taken, score, bm25, depth, image_id };
        let ordered = [
            place(Some(9), 0.0, 0.0, 0.0, 9),
            place(Some(1), 5.0, 0.0, 0.0, 9),
            place(None, 2.0, 1.0, 0.0, 9),
            place(None, 2.0, 0.0, 9.0, 9),
            place(None, 1.0, 7.0, 0.0, 9),
            place(None, 1.0, 3.0, 2.0, 9),
            place(None, 1.0, 3.0, 1.0, 4),
            place(None, 1.0, 3.0, 1.0, 5),
        ];
        assert!(ordered.is_sorted());
        let mut sorted = ordered;
        sorted.reverse();
        sorted.sort();
        assert_eq!(sorted, ordered);
    }
}
