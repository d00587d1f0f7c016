//! The number format of a model's weights.

use serde::{Deserialize, Serialize};

/// Number format of the weights in a graph.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floating point, as most models are published.
    #[default]
    Fp32,
    /// 16-bit floating point: half the size, but not faster on a CPU.
    Fp16,
    /// 8-bit integers: a quarter of the size and two to three times as fast on a CPU, but less
    /// exact (see [`crate::gate`]).
    Int8,
}

impl Precision {
    /// All precisions, the most exact first.
    pub const ALL: [Precision; 3] = [Precision::Fp32, Precision::Fp16, Precision::Int8];

    /// The name in manifests and model names.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Fp32 => "fp32",
            Precision::Fp16 => "fp16",
            Precision::Int8 => "int8",
        }
    }

    /// The suffix of a model's id: empty for fp32, `-fp16`, `-int8`.
    pub fn suffix(self) -> &'static str {
        match self {
            Precision::Fp32 => "",
            Precision::Fp16 => "-fp16",
            Precision::Int8 => "-int8",
        }
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Precision, String> {
        let found = Precision::ALL.into_iter().find(|precision| precision.name() == name);
        found.ok_or_else(|| format!("there is no precision `{name}`: choose fp32, fp16 or int8"))
    }
}
