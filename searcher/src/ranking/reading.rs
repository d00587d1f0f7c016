//! How the raw scores of a signal are read.

use super::calibration::Scale;
use super::scored::ScoredPicture;
use crate::query::weights::Signal;

/// Standard deviations that do not count: half of all ordinary cosines lie within one. Chosen with
/// `just bench search`.
const ORDINARY_DEVIATIONS: f32 = 1.0;
/// Standard deviations that a picture counts whose words hold all terms. Chosen with
/// `just bench search`.
const ALL_TERMS_DEVIATIONS: f32 = 9.0;
/// Share of the terms from which a match by words is relevant. Chosen with `just bench search`.
const MIN_TERM_SHARE: f32 = 0.4;

/// A signal that is asked, and how its scores are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignalReading {
    pub(crate) signal: Signal,
    pub(crate) weight: f32,
    /// For cosines; `None` where there were too few rows to measure a scale, and for words.
    pub(crate) scale: Option<Scale>,
}

/// A score that different searches share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Calibrated {
    /// Standard deviations, or the share of the terms; `None` where there is no scale.
    pub(crate) value: Option<f32>,
    /// What it counts, in standard deviations, before its weight.
    pub(crate) counts: f32,
    pub(crate) is_relevant: bool,
}

impl SignalReading {
    /// Reads the score of a picture; `None` if the signal says nothing of it.
    pub(crate) fn read(&self, picture: &ScoredPicture) -> Option<Calibrated> {
        let score = picture.score(self.signal)?;
        if self.signal == Signal::Text {
            let share = picture.words.share;
            return Some(Calibrated {
                value: Some(share),
                counts: ALL_TERMS_DEVIATIONS * share,
                is_relevant: share >= MIN_TERM_SHARE,
            });
        }
        let value = self.scale.map(|scale| scale.calibrated(score));
        Some(Calibrated {
            value,
            counts: (value.unwrap_or(0.0) - ORDINARY_DEVIATIONS).max(0.0),
            is_relevant: self.scale.is_none_or(|scale| scale.is_relevant(score)),
        })
    }
}
