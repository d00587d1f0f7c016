//! A picture in base64, as JSON holds it.

use std::fmt;

use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// The bytes of a picture, decoded while the JSON is read: its text is never held beside them.
#[derive(Debug)]
pub(super) struct ImageText(pub(super) Bytes);

impl<'de> Deserialize<'de> for ImageText {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_str(ImageTextVisitor)
    }
}

struct ImageTextVisitor;

impl Visitor<'_> for ImageTextVisitor {
    type Value = ImageText;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a picture in base64")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ImageText, E> {
        let bytes = STANDARD
            .decode(text.trim())
            .map_err(|error| E::custom(format!("is not base64: {error}")))?;
        Ok(ImageText(bytes.into()))
    }
}
