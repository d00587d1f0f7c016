//! The signals of a search, their weights, and how they are fused.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One way to find pictures. A search asks several and fuses their results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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

/// Weight of each signal; 0 leaves it out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Weights {
    // `f64`, so that an answer repeats them with the digits of the request.
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
    /// Weights of a search by words.
    fn default() -> Self {
        Self { image: 1.0, caption_vector: 0.7, text: 1.0 }
    }
}

impl Weights {
    /// Weights of a search without words: captions are far from pictures even in a common space.
    pub(crate) const PICTURES: Weights = Weights { image: 1.0, caption_vector: 0.0, text: 0.0 };

    /// The weight of a signal.
    pub(crate) fn of(&self, signal: Signal) -> f64 {
        match signal {
            Signal::Image => self.image,
            Signal::CaptionVector => self.caption_vector,
            Signal::Text => self.text,
        }
    }

    /// Checks that all weights are from 0 to `max`, and not all 0.
    ///
    /// # Errors
    /// The path of the wrong field below `weights`, beginning with a dot, and the reason.
    pub(super) fn check(&self, max: f64) -> Result<(), (String, String)> {
        for signal in Signal::ALL {
            if !(0.0..=max).contains(&self.of(signal)) {
                return Err((format!(".{}", signal.name()), format!("must be from 0 to {max}")));
            }
        }
        if Signal::ALL.iter().all(|signal| self.of(*signal) == 0.0) {
            return Err((String::new(), String::from("leave nothing to search by")));
        }
        Ok(())
    }
}

/// How the results of several signals become one order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fusion {
    /// By calibrated scores: how far each is above an ordinary one.
    #[default]
    Weighted,
    /// Reciprocal rank fusion: by ranks only.
    Rrf,
}
