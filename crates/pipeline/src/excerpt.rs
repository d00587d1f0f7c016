//! The beginning of a text that others wrote and that may be of any length.

/// The first `most` characters.
pub(crate) fn chars(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// As many whole characters as fit into `most` bytes.
pub(crate) fn bytes(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
