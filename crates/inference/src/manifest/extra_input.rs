//! Inputs that a graph insists on and that do not matter.

use serde::{Deserialize, Serialize};

use super::require;

/// Most values per picture or text in such an input: the pixels of a tower of 1,024 x 1,024.
const MAX_VALUES: i64 = 3 * 1024 * 1024;

/// An input of a graph that is filled with one value. Its type (i64, i32, f32, f16) is read from
/// the graph.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraInput {
    /// Name of the graph's input.
    pub name: String,
    /// Its shape; one size may be -1, for the number of pictures or texts of the run.
    pub shape: Vec<i64>,
    /// Every value.
    pub fill: f32,
}

impl ExtraInput {
    pub(super) fn check_all(section: &str, inputs: &[ExtraInput]) -> Result<(), String> {
        for ExtraInput { name, shape, fill } in inputs {
            require(!name.is_empty() && fill.is_finite(), || {
                format!("[{section}] every one of `extra_inputs` needs a name and a finite `fill`")
            })?;
            let batches = shape.iter().filter(|size| **size == -1).count();
            let sizes = batches <= 1 && shape.iter().all(|size| *size == -1 || *size >= 1);
            let values =
                shape.iter().try_fold(1_i64, |product, size| product.checked_mul((*size).max(1)));
            require(sizes && values.is_some_and(|values| values <= MAX_VALUES), || {
                format!(
                    "[{section}] the `shape` of the extra input `{name}` needs sizes of at least 1, one of which may be -1 for the batch"
                )
            })?;
        }
        Ok(())
    }
}
