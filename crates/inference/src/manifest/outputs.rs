//! The output of a graph that holds the vectors.

use super::require;

/// Checks that a tower names its input, and its output either by names or by a position.
pub(super) fn check_outputs(
    section: &str,
    input: &str,
    outputs: &[String],
    index: Option<usize>,
) -> Result<(), String> {
    require(!input.is_empty() && (!outputs.is_empty() || index.is_some()), || {
        format!("[{section}] needs an `input`, and at least one of `outputs` or an `output_index`")
    })?;
    require(outputs.is_empty() || index.is_none(), || {
        format!("[{section}] has both `outputs` and `output_index`: remove one, names are safer")
    })
}
