//! Several searches made one: what each says of a picture, and what it counts.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use table::candidates::Candidate;
use utoipa::ToSchema;

use crate::ranking::calibration::Scale;

/// The constant of reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009).
const RANK_CONSTANT: f32 = 60.0;
/// Standard deviations that do not count yet: half of what is ordinary lies within one of them.
/// Chosen with `just bench-search`.
const ORDINARY: f32 = 1.0;
/// What a picture whose words hold all that was asked counts, in standard deviations. Chosen with
/// `just bench-search`.
const ALL_WORDS: f32 = 6.0;
/// Share of the words asked from which they speak for a hit.
const WORDS_SPEAK_FROM: f32 = 0.55;
/// A hit that counts less than this share of the best one is cut off.
const LEAST_SHARE: f32 = 0.7;

/// What a search may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Signal {
    /// Vectors of pictures.
    Image,
    /// Vectors of captions.
    CaptionVector,
    /// Words of captions, keywords and keys.
    Text,
}

impl Signal {
    pub(crate) const ALL: [Signal; 3] = [Signal::Image, Signal::CaptionVector, Signal::Text];

    /// Its name in requests and answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Signal::Image => "image",
            Signal::CaptionVector => "caption_vector",
            Signal::Text => "text",
        }
    }
}

/// What each signal counts; 0 leaves it out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Weights {
    // As precise as they are written, so that they are shown as they were written.
    /// Vectors of pictures, from 0 to 10.
    #[schema(minimum = 0, maximum = 10)]
    pub(crate) image: f64,
    /// Vectors of captions, from 0 to 10.
    #[schema(minimum = 0, maximum = 10)]
    pub(crate) caption_vector: f64,
    /// Words of captions, keywords and keys, from 0 to 10.
    #[schema(minimum = 0, maximum = 10)]
    pub(crate) text: f64,
}

impl Default for Weights {
    /// Those of a search by words.
    fn default() -> Self {
        Self { image: 1.0, caption_vector: 0.7, text: 1.0 }
    }
}

impl Weights {
    /// Those of a search without words: captions are far from pictures even in a common space.
    pub(crate) const PICTURES: Weights = Weights { image: 1.0, caption_vector: 0.0, text: 0.0 };

    /// What a signal counts.
    pub(crate) fn of(&self, signal: Signal) -> f64 {
        match signal {
            Signal::Image => self.image,
            Signal::CaptionVector => self.caption_vector,
            Signal::Text => self.text,
        }
    }

    /// The field that is wrong, with a dot before it, and why.
    pub(crate) fn check(&self, most: f64) -> Result<(), (String, String)> {
        for signal in Signal::ALL {
            if !(0.0..=most).contains(&self.of(signal)) {
                return Err((format!(".{}", signal.name()), format!("must be from 0 to {most}")));
            }
        }
        if Signal::ALL.iter().all(|signal| self.of(*signal) == 0.0) {
            return Err((String::new(), String::from("leave nothing to search by")));
        }
        Ok(())
    }
}

/// How signals become one order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fusion {
    /// By how far each score is above what is ordinary.
    #[default]
    Weighted,
    /// By ranks only.
    Rrf,
}

/// What one signal found, best first.
#[derive(Debug, Clone)]
pub(crate) struct Leg {
    pub(crate) signal: Signal,
    pub(crate) weight: f32,
    pub(crate) found: Vec<Candidate>,
    /// Whether there may be more.
    pub(crate) is_full: bool,
    /// How its scores are read. Of words: the best score, and the share of the words asked that its
    /// picture holds.
    pub(crate) reading: Reading,
}

/// How raw scores are read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    /// Cosines; `None` where there were too few rows to measure by.
    Cosines(Option<Scale>),
    /// BM25 scores.
    Words { best: f32, held: f32 },
}

impl Reading {
    /// A score on a scale that different questions share: standard deviations, or the share of the
    /// words asked.
    fn calibrated(&self, score: f32) -> Option<f32> {
        match self {
            Reading::Cosines(scale) => scale.map(|scale| scale.calibrated(score)),
            Reading::Words { best, held } => {
                Some(if *best > 0.0 { score / best * held } else { 0.0 })
            }
        }
    }

    /// What a calibrated score counts, before its weight.
    fn counts(&self, calibrated: Option<f32>) -> f32 {
        let calibrated = calibrated.unwrap_or(0.0);
        match self {
            Reading::Cosines(_) => (calibrated - ORDINARY).max(0.0),
            Reading::Words { .. } => ALL_WORDS * calibrated,
        }
    }

    fn speaks(&self, score: f32) -> bool {
        match self {
            // Nothing to measure by: all that was found is as good as any.
            Reading::Cosines(scale) => scale.is_none_or(|scale| scale.speaks(score)),
            Reading::Words { .. } => {
                self.calibrated(score).is_some_and(|share| share >= WORDS_SPEAK_FROM)
            }
        }
    }
}

/// What one signal says of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub(crate) struct Say {
    /// Cosine similarity, or BM25.
    pub(crate) score: f32,
    /// Standard deviations above a random sample of rows, or the share of the words asked; `None`
    /// for too few rows.
    pub(crate) calibrated: Option<f32>,
    /// Place among what this signal found, from 1.
    pub(crate) rank: usize,
    /// What it adds to the picture's score.
    pub(crate) contribution: f32,
}

/// A picture that some signal found.
#[derive(Debug, Clone)]
pub(crate) struct Fused {
    pub(crate) candidate: Candidate,
    /// What it is ordered by.
    pub(crate) score: f32,
    pub(crate) says: Vec<(Signal, Say)>,
    /// What it counts by calibrated scores, however it is ordered.
    strength: f32,
    /// The same with what is ordinary counted too: orders what does not count.
    depth: f32,
    speaks: bool,
}

/// All pictures that were found, best first. A single signal keeps its own scores and order.
pub(crate) fn fuse(legs: Vec<Leg>, fusion: Fusion) -> Vec<Fused> {
    let alone = legs.len() == 1;
    // Sentences that have nothing to do with each other are too alike to speak for a picture that
    // can be compared itself.
    let compared = legs.iter().any(|leg| leg.signal == Signal::Image);
    let mut pictures: HashMap<String, Fused> = HashMap::new();
    for Leg { signal, weight, found, reading, .. } in legs {
        for (place, candidate) in found.into_iter().enumerate() {
            let calibrated = reading.calibrated(candidate.score);
            let strength = weight * reading.counts(calibrated);
            let contribution = match fusion {
                _ if alone => candidate.score,
                Fusion::Weighted => strength,
                Fusion::Rrf => weight / (RANK_CONSTANT + place as f32 + 1.0),
            };
            let say = Say { score: candidate.score, calibrated, rank: place + 1, contribution };
            let speaks =
                reading.speaks(candidate.score) && !(compared && signal == Signal::CaptionVector);
            let picture = pictures.entry(candidate.image_id.clone()).or_insert_with(|| Fused {
                candidate,
                score: 0.0,
                says: Vec::new(),
                strength: 0.0,
                depth: 0.0,
                speaks: false,
            });
            picture.score += contribution;
            picture.strength += strength;
            // Without a scale, by rank.
            picture.depth += weight * calibrated.unwrap_or(-(place as f32));
            picture.speaks |= speaks;
            picture.says.push((signal, say));
        }
    }
    let mut fused: Vec<_> = pictures.into_values().collect();
    fused.sort_by(|a, b| {
        let by_score = b.score.total_cmp(&a.score).then_with(|| b.depth.total_cmp(&a.depth));
        by_score.then_with(|| a.candidate.image_id.cmp(&b.candidate.image_id))
    });
    fused
}

/// Leaves out what nothing speaks for, and what counts far less than the best. The order stays.
pub(crate) fn cut(mut fused: Vec<Fused>) -> Vec<Fused> {
    fused.retain(|picture| picture.speaks);
    let best = fused.iter().map(|picture| picture.strength).fold(0.0, f32::max);
    fused.retain(|picture| picture.strength >= LEAST_SHARE * best);
    fused
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn leg(signal: Signal, weight: f32, reading: Reading, found: &[(&str, f32)]) -> Leg {
        Leg {
            signal,
            weight,
            reading,
            is_full: false,
            found: found.iter().map(|(id, score)| candidate(id, *score)).collect(),
        }
    }

    const SCALE: Reading = Reading::Cosines(Some(Scale {
        mean: 0.1,
        deviation: 0.1,
        unrelated: Some(0.3),
        broad: false,
    }));

    fn ids(fused: &[Fused]) -> String {
        fused.iter().map(|picture| picture.candidate.image_id.as_str()).collect()
    }

    #[test]
    fn an_exception_counts_more_than_many_ordinary_ones() {
        let legs = vec![
            leg(Signal::Image, 1.0, SCALE, &[("a", 0.25), ("b", 0.24), ("c", 0.1)]),
            leg(Signal::Text, 1.0, Reading::Words { best: 9.0, held: 1.0 }, &[("c", 9.0)]),
        ];
        assert_eq!(ids(&fuse(legs.clone(), Fusion::Weighted)), "cab");
        let fused = fuse(legs, Fusion::Weighted);
        assert_eq!(
            fused[0].says[1].1,
            Say { score: 9.0, calibrated: Some(1.0), rank: 1, contribution: 6.0 }
        );
        assert_eq!(fused[0].says[0].1.contribution, 0.0);
        let sum: f32 = fused[1].says.iter().map(|(_, say)| say.contribution).sum();
        assert_eq!(sum, fused[1].score);
    }

    #[test]
    fn ranks_add_up_whatever_the_scores_are() {
        let legs = vec![
            leg(Signal::Image, 1.0, SCALE, &[("a", 0.9), ("b", 0.2)]),
            leg(
                Signal::Text,
                1.0,
                Reading::Words { best: 1.0, held: 1.0 },
                &[("b", 1.0), ("c", 0.5)],
            ),
        ];
        let fused = fuse(legs, Fusion::Rrf);
        assert_eq!(ids(&fused), "bac");
        assert!((fused[0].score - (1.0 / 61.0 + 1.0 / 62.0)).abs() < 1e-6);
    }

    #[test]
    fn a_single_signal_keeps_its_scores_and_what_is_equal_is_ordered_by_id() {
        let legs = vec![leg(
            Signal::Image,
            0.3,
            Reading::Cosines(None),
            &[("b", 0.5), ("c", 0.5), ("a", 0.4)],
        )];
        let fused = fuse(legs, Fusion::Weighted);
        assert_eq!(fused.iter().map(|picture| picture.score).collect::<Vec<_>>(), [0.5, 0.5, 0.4]);
        assert_eq!(ids(&fused), "bca");
    }

    #[test]
    fn the_cut_leaves_what_speaks_and_counts() {
        let legs = || {
            vec![
                leg(Signal::Image, 1.0, SCALE, &[("a", 0.9), ("b", 0.85), ("c", 0.4), ("d", 0.1)]),
                leg(Signal::Text, 1.0, Reading::Words { best: 1.0, held: 0.5 }, &[("d", 1.0)]),
            ]
        };
        assert_eq!(ids(&cut(fuse(legs(), Fusion::Weighted))), "ab");
        assert_eq!(ids(&cut(fuse(legs(), Fusion::Rrf))), "ab");
        let unlike = leg(Signal::Image, 1.0, SCALE, &[("a", 0.29), ("b", 0.2)]);
        let alike = leg(Signal::CaptionVector, 1.0, SCALE, &[("a", 0.9)]);
        assert_eq!(ids(&cut(fuse(vec![alike.clone()], Fusion::Weighted))), "a");
        let nothing = vec![unlike, alike];
        assert!(cut(fuse(nothing, Fusion::Weighted)).is_empty());
    }
}
