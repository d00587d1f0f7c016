//! Fusion: the results of several signals become one order.

use std::collections::HashMap;

use serde::Serialize;
use table::candidates::Candidate;
use utoipa::ToSchema;

use super::signal_hits::SignalHits;
use crate::query::weights::{Fusion, Signal};

/// The constant of reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009).
const RANK_CONSTANT: f32 = 60.0;
/// A hit that counts less than this share of the best one is cut off.
const MIN_SHARE_OF_BEST: f32 = 0.7;

/// The score of one signal for one picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub(crate) struct SignalScore {
    /// Cosine similarity, or BM25.
    pub(crate) score: f32,
    /// Standard deviations above the mean of a random sample of rows, or the share of the words
    /// that match; null if there are too few rows.
    pub(crate) calibrated: Option<f32>,
    /// Rank in this signal's result, from 1.
    pub(crate) rank: usize,
    /// What the signal adds to the picture's score.
    pub(crate) contribution: f32,
}

/// A picture that at least one signal found.
#[derive(Debug, Clone)]
pub(crate) struct FusedPicture {
    pub(crate) candidate: Candidate,
    /// What it is ordered by.
    pub(crate) score: f32,
    pub(crate) signals: Vec<(Signal, SignalScore)>,
    /// What its calibrated scores count, whatever fusion orders it.
    strength: f32,
    /// The sum of its calibrated scores: orders pictures whose scores do not count.
    depth: f32,
    is_relevant: bool,
}

/// All pictures that the signals found, best first. A single signal keeps its scores and order.
pub(crate) fn fuse(hits: Vec<SignalHits>, fusion: Fusion) -> Vec<FusedPicture> {
    let alone = hits.len() == 1;
    // Vectors of unrelated sentences are too alike to make a picture relevant whose own vector is
    // compared.
    let compares_pictures = hits.iter().any(|hits| hits.signal == Signal::Image);
    let mut pictures: HashMap<String, FusedPicture> = HashMap::new();
    for SignalHits { signal, weight, found, reading, .. } in hits {
        for (place, candidate) in found.into_iter().enumerate() {
            let calibrated = reading.calibrated(candidate.score);
            let strength = weight * reading.counts(calibrated);
            let contribution = match fusion {
                _ if alone => candidate.score,
                Fusion::Weighted => strength,
                Fusion::Rrf => weight / (RANK_CONSTANT + place as f32 + 1.0),
            };
            let score =
                SignalScore { score: candidate.score, calibrated, rank: place + 1, contribution };
            let is_relevant = reading.is_relevant(candidate.score)
                && !(compares_pictures && signal == Signal::CaptionVector);
            let picture =
                pictures.entry(candidate.image_id.clone()).or_insert_with(|| candidate.into());
            picture.score += contribution;
            picture.strength += strength;
            // Without a scale, the rank orders.
            picture.depth += weight * calibrated.unwrap_or(-(place as f32));
            picture.is_relevant |= is_relevant;
            picture.signals.push((signal, score));
        }
    }
    let mut fused: Vec<_> = pictures.into_values().collect();
    fused.sort_by(|a, b| {
        let by_score = b.score.total_cmp(&a.score).then_with(|| b.depth.total_cmp(&a.depth));
        by_score.then_with(|| a.candidate.image_id.cmp(&b.candidate.image_id))
    });
    fused
}

impl From<Candidate> for FusedPicture {
    fn from(candidate: Candidate) -> Self {
        Self {
            candidate,
            score: 0.0,
            signals: Vec::new(),
            strength: 0.0,
            depth: 0.0,
            is_relevant: false,
        }
    }
}

/// Keeps the relevant pictures that count at least 0.7 of the best one. The order stays.
pub(crate) fn cut(mut fused: Vec<FusedPicture>) -> Vec<FusedPicture> {
    fused.retain(|picture| picture.is_relevant);
    let best = fused.iter().map(|picture| picture.strength).fold(0.0, f32::max);
    fused.retain(|picture| picture.strength >= MIN_SHARE_OF_BEST * best);
    fused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::calibration::Scale;
    use crate::ranking::signal_hits::Reading;

    fn candidate(id: &str, score: f32) -> Candidate {
        Candidate {
            image_id: id.into(),
            bucket: "b".into(),
            key: id.into(),
            content_hash: id.into(),
            written_at: 0,
            score,
        }
    }

    fn hits(signal: Signal, weight: f32, reading: Reading, found: &[(&str, f32)]) -> SignalHits {
        SignalHits {
            signal,
            weight,
            reading,
            is_full: false,
            exact: true,
            found: found.iter().map(|(id, score)| candidate(id, *score)).collect(),
        }
    }

    const SCALE: Reading = Reading::Cosines(Some(Scale {
        mean: 0.1,
        deviation: 0.1,
        unrelated_floor: Some(0.3),
        broad: false,
    }));

    fn ids(fused: &[FusedPicture]) -> String {
        fused.iter().map(|picture| picture.candidate.image_id.as_str()).collect()
    }

    #[test]
    fn an_exception_counts_more_than_many_ordinary_ones() {
        let found = vec![
            hits(Signal::Image, 1.0, SCALE, &[("a", 0.25), ("b", 0.24), ("c", 0.1)]),
            hits(Signal::Text, 1.0, Reading::Words { best: 9.0, held: 1.0 }, &[("c", 9.0)]),
        ];
        assert_eq!(ids(&fuse(found.clone(), Fusion::Weighted)), "cab");
        let fused = fuse(found, Fusion::Weighted);
        assert_eq!(
            fused[0].signals[1].1,
            SignalScore { score: 9.0, calibrated: Some(1.0), rank: 1, contribution: 6.0 }
        );
        assert_eq!(fused[0].signals[0].1.contribution, 0.0);
        let sum: f32 = fused[1].signals.iter().map(|(_, score)| score.contribution).sum();
        assert_eq!(sum, fused[1].score);
    }

    #[test]
    fn ranks_add_up_whatever_the_scores_are() {
        let found = vec![
            hits(Signal::Image, 1.0, SCALE, &[("a", 0.9), ("b", 0.2)]),
            hits(
                Signal::Text,
                1.0,
                Reading::Words { best: 1.0, held: 1.0 },
                &[("b", 1.0), ("c", 0.5)],
            ),
        ];
        let fused = fuse(found, Fusion::Rrf);
        assert_eq!(ids(&fused), "bac");
        assert!((fused[0].score - (1.0 / 61.0 + 1.0 / 62.0)).abs() < 1e-6);
    }

    #[test]
    fn a_single_signal_keeps_its_scores_and_what_is_equal_is_ordered_by_id() {
        let found = vec![hits(
            Signal::Image,
            0.3,
            Reading::Cosines(None),
            &[("b", 0.5), ("c", 0.5), ("a", 0.4)],
        )];
        let fused = fuse(found, Fusion::Weighted);
        assert_eq!(fused.iter().map(|picture| picture.score).collect::<Vec<_>>(), [0.5, 0.5, 0.4]);
        assert_eq!(ids(&fused), "bca");
    }

    #[test]
    fn the_cut_leaves_what_speaks_and_counts() {
        let found = || {
            vec![
                hits(Signal::Image, 1.0, SCALE, &[("a", 0.9), ("b", 0.85), ("c", 0.4), ("d", 0.1)]),
                hits(Signal::Text, 1.0, Reading::Words { best: 1.0, held: 0.5 }, &[("d", 1.0)]),
            ]
        };
        assert_eq!(ids(&cut(fuse(found(), Fusion::Weighted))), "ab");
        assert_eq!(ids(&cut(fuse(found(), Fusion::Rrf))), "ab");
        let unlike = hits(Signal::Image, 1.0, SCALE, &[("a", 0.29), ("b", 0.2)]);
        let alike = hits(Signal::CaptionVector, 1.0, SCALE, &[("a", 0.9)]);
        assert_eq!(ids(&cut(fuse(vec![alike.clone()], Fusion::Weighted))), "a");
        let nothing = vec![unlike, alike];
        assert!(cut(fuse(nothing, Fusion::Weighted)).is_empty());
    }
}
