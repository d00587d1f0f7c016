//! The result of one signal, and how its scores are read.

use table::candidates::Candidate;

use super::calibration::Scale;
use crate::query::weights::Signal;

/// Standard deviations that do not count: half of all ordinary cosines lie within one. Chosen with
/// `just bench search`.
const ORDINARY_DEVIATIONS: f32 = 1.0;
/// Standard deviations that a picture counts whose words hold all terms. Chosen with
/// `just bench search`.
const ALL_TERMS_DEVIATIONS: f32 = 6.0;
/// Share of the terms from which a match by words is relevant.
const MIN_TERM_SHARE: f32 = 0.55;

/// What one signal found.
#[derive(Debug, Clone)]
pub(crate) struct SignalHits {
    pub(crate) signal: Signal,
    pub(crate) weight: f32,
    /// Best first.
    pub(crate) found: Vec<Candidate>,
    /// Whether there may be more.
    pub(crate) is_full: bool,
    /// Whether all vectors of pictures were compared; true for a signal that compares none.
    pub(crate) exact: bool,
    pub(crate) reading: Reading,
}

/// How the raw scores of a signal are read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    /// Cosines; `None` where there were too few rows to measure a scale.
    Cosines(Option<Scale>),
    /// BM25 scores: the best one, and the share of the terms that its picture holds.
    Words { best: f32, held: f32 },
}

impl Reading {
    /// A score that different searches share: standard deviations, or the share of the terms.
    /// `None` where there is no scale.
    pub(super) fn calibrated(&self, score: f32) -> Option<f32> {
        match self {
            Reading::Cosines(scale) => scale.map(|scale| scale.calibrated(score)),
            Reading::Words { best, held } => {
                Some(if *best > 0.0 { score / best * held } else { 0.0 })
            }
        }
    }

    /// What a calibrated score counts, in standard deviations, before its weight.
    pub(super) fn counts(&self, calibrated: Option<f32>) -> f32 {
        let calibrated = calibrated.unwrap_or(0.0);
        match self {
            Reading::Cosines(_) => (calibrated - ORDINARY_DEVIATIONS).max(0.0),
            Reading::Words { .. } => ALL_TERMS_DEVIATIONS * calibrated,
        }
    }

    /// Whether a raw score is relevant. Without a scale every score is.
    pub(super) fn is_relevant(&self, score: f32) -> bool {
        match self {
            Reading::Cosines(scale) => scale.is_none_or(|scale| scale.is_relevant(score)),
            Reading::Words { .. } => {
                self.calibrated(score).is_some_and(|share| share >= MIN_TERM_SHARE)
            }
        }
    }
}
