//! Which texts can be the id of a model or captioner.

use crate::excerpt;

// As manifests allow; names of queues and tables are made of it.
const MAX_BYTES: usize = 64;

/// A text that cannot be the id of a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no id of a model: \
     1 to {MAX_BYTES} lower-case letters, digits and dashes are expected"
)]
pub struct ModelIdError(String);

/// Checks that a text can be the id of a model.
///
/// # Errors
/// It is empty, too long, or holds other characters than lower-case letters, digits and dashes.
pub fn check_id(id: &str) -> Result<(), ModelIdError> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let valid = (1..=MAX_BYTES).contains(&id.len()) && id.bytes().all(allowed);
    if valid { Ok(()) } else { Err(ModelIdError(excerpt::chars(id, MAX_BYTES))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_fits_queues_and_tables() {
        for good in ["a", "demo-clip", "siglip2-base-patch16-224"] {
            assert!(check_id(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "a.b", "a_b", "../x", "a/b", "a b", "é", &"a".repeat(65)] {
            assert!(check_id(bad).is_err(), "{bad}");
        }
    }
}
