//! placeholder
/// prompts
pub fn prompts() -> Vec<String> {
    Vec::new()
}
