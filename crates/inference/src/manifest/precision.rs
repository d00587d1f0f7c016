//! The number format of a model's weights.

use serde::{Deserialize, Serialize};

/// Number format of the weights in a graph.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floating point: what the model was published in.
    #[default]
    Fp32,
    /// 16-bit floating point: half the size; on a CPU not faster.
    Fp16,
    /// 8-bit integers: a quarter of the size and on a CPU two to three times as fast, at the price
    /// of some accuracy; see [`crate::gate`].
    Int8,
}

impl Precision {
    /// All of them, the most exact first.
    pub const ALL: [Precision; 3] = [Precision::Fp32, Precision::Fp16, Precision::Int8];

    /// As it is written in manifests and model names.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Fp32 => "fp32",
            Precision::Fp16 => "fp16",
            Precision::Int8 => "int8",
        }
    }

    /// What distinguishes the id of a model from that with fp32 weights: ``, `-fp16`, `-int8`.
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
