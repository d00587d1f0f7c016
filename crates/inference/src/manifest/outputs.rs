//! Which output of a graph holds the vectors.

use super::require;

/// A tower names its input and either the outputs it may have or a position.
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
