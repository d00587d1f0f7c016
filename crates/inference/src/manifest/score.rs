//! `[score]`: the meaning of a model's similarities.

use serde::{Deserialize, Serialize};

/// How cosine similarities of a model become probabilities. `scale` and `bias` come from its
/// checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Score {
    /// The function from scaled cosines to probabilities.
    pub kind: ScoreKind,
    /// Multiplies the cosine.
    pub scale: f32,
    /// Added to the product.
    pub bias: f32,
}

impl Default for Score {
    fn default() -> Self {
        Score { kind: ScoreKind::None, scale: 1.0, bias: 0.0 }
    }
}

/// A function from scaled cosines to probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// None: only the order of the cosines has a meaning.
    None,
    /// Softmax over all candidates (CLIP).
    Softmax,
    /// Sigmoid of each candidate on its own (SigLIP).
    Sigmoid,
}
