//! Execution providers: the hardware that the settings ask for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The hardware that shall run the models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// CUDA where it works, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
    /// An NVIDIA GPU with TensorRT, which compiles each graph for minutes. CUDA runs the nodes that
    /// TensorRT cannot run.
    TensorRt,
}

impl Provider {
    /// The name in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Provider::Auto => "auto",
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
            Provider::TensorRt => "tensorrt",
        }
    }

    /// The providers to try, in order of preference. The CPU comes last, because it always works.
    pub(super) fn attempts(self) -> &'static [Provider] {
        match self {
            Provider::Cpu => &[Provider::Cpu],
            Provider::Auto | Provider::Cuda => &[Provider::Cuda, Provider::Cpu],
            Provider::TensorRt => &[Provider::TensorRt, Provider::Cuda, Provider::Cpu],
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_the_last_resort() {
        for provider in [Provider::Auto, Provider::Cpu, Provider::Cuda, Provider::TensorRt] {
            assert_eq!(provider.attempts().last(), Some(&Provider::Cpu));
        }
    }
}
