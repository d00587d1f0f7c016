//! Extra inputs: inputs that a graph requires and that do not change its vectors.

use serde::{Deserialize, Serialize};

use super::require;

/// Greatest number of values per picture or text in such an input: 1,024 x 1,024 pixels.
const MAX_VALUES: i64 = 3 * 1024 * 1024;

/// An input of a graph that is filled with one value. The graph declares its type (i64, i32, f32 or
/// f16).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraInput {
    /// Name of the graph's input.
    pub name: String,
    /// Its shape. One size may be -1, for the number of pictures or texts of the run.
    pub shape: Vec<i64>,
    /// The value of every element.
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
                    "[{section}] the `shape` of the extra input `{name}` \
                     needs sizes of at least 1, one of which may be -1 for the batch"
                )
            })?;
        }
        Ok(())
    }
}
