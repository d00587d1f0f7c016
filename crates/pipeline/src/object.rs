//! One version of one object in the bucket, and its identity.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::excerpt;

/// One version of one object: its place and its content.
///
/// The ETag is an opaque version of the content and never read as a hash of it. It is kept without
/// the quotes that listings and HTTP headers put around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Name of the bucket.
    pub bucket: String,
    /// Object key, exactly as the store keeps it (decoded, may hold any character).
    pub key: String,
    /// ETag without quotes.
    pub etag: String,
    /// Size as the listing or the event gave it; `None` where the source gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Time of the last write as the store gave it; `None` where the source gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<Timestamp>,
}

impl ObjectRef {
    /// The identity of this object version.
    pub fn image_id(&self) -> ImageId {
        ImageId::of(&self.bucket, &self.key, &self.etag)
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.key)
    }
}

/// Deterministic identity of one object version: the first 128 bits of BLAKE3 over bucket, key and
/// ETag, each preceded by its length so that no two triples run together. Its text form is 32
/// lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId(u128);

/// The text is not 32 lower-case hex digits.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is not an image id: 32 lower-case hex digits are expected")]
pub struct ImageIdError(String);

impl ImageId {
    /// Computes the identity of (bucket, key, ETag).
    pub fn of(bucket: &str, key: &str, etag: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [bucket, key, etag] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut first = [0u8; 16];
        hasher.finalize_xof().fill(&mut first);
        Self(u128::from_be_bytes(first))
    }

    /// The identity as a number, which takes less memory.
    pub fn as_u128(self) -> u128 {
        self.0
    }

    /// The identity that [`Self::as_u128`] gave.
    pub fn from_u128(number: u128) -> Self {
        Self(number)
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for ImageId {
    type Err = ImageIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid =
            text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        valid
            .then(|| u128::from_str_radix(text, 16).ok())
            .flatten()
            .map(Self)
            .ok_or_else(|| ImageIdError(excerpt::chars(text, 64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_depends_on_every_part_and_on_where_parts_end() {
        let id = ImageId::of("b", "k", "e");
        assert_eq!(id, ImageId::of("b", "k", "e"));
        for other in [("bk", "", "e"), ("b", "ke", ""), ("b", "k", "f"), ("c", "k", "e")] {
            assert_ne!(id, ImageId::of(other.0, other.1, other.2));
        }
    }

    #[test]
    fn text_form_round_trips_and_anything_else_is_refused() {
        let id = ImageId::of("bucket", "a/b.jpg", "etag");
        assert_eq!(id.to_string().len(), 32);
        assert_eq!(id.to_string().parse::<ImageId>().unwrap(), id);
        for bad in [
            "",
            "xyz",
            &id.to_string().to_uppercase(),
            "' OR 1=1 --",
            &"0".repeat(33),
            "+0000000000000000000000000000000",
        ] {
            assert!(bad.parse::<ImageId>().is_err(), "{bad}");
        }
    }
}
