//! `[score]`: what the similarities of a model mean.

use serde::{Deserialize, Serialize};

/// What a cosine similarity of this model means; `scale` and `bias` come from the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Score {
    /// The function.
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

/// How scaled cosines become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// They do not: only their order means something.
    None,
    /// Softmax over the candidates (CLIP).
    Softmax,
    /// Sigmoid of each on its own (SigLIP).
    Sigmoid,
}
