//! The cursor of a search (search-after): the table versions it reads, the calibration of its
//! scores, and how far it came. A page that follows a cursor continues exactly what the former
//! pages began, whatever was written meanwhile.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::calibration::Scale;
use crate::problem::Problem;
use crate::query::weights::Signal;

/// Longer ones are not ours.
const MAX_CHARACTERS: usize = 1024;

/// The place after the last hit of a page.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    /// Digest of the search.
    #[serde(rename = "q")]
    pub(crate) query: String,
    /// Id of the model that answers; empty where none does.
    #[serde(rename = "m")]
    pub(crate) model: String,
    /// Version of the table of vectors; 0 where it does not exist.
    #[serde(rename = "v")]
    pub(crate) embeddings: u64,
    /// Version of the table of captions, if one is searched.
    #[serde(rename = "c")]
    pub(crate) captions: Option<u64>,
    #[serde(rename = "s")]
    pub(crate) scales: Scales,
    /// Number of candidates that were looked at.
    #[serde(rename = "p")]
    pub(crate) position: usize,
}

/// How the cosines of each signal are read. Written as a list in the order of
/// [`BY_COSINE`](Self::BY_COSINE).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Option<Scale>>", into = "Vec<Option<Scale>>")]
pub(crate) struct Scales(BTreeMap<Signal, Scale>);

impl Scales {
    /// The signals whose scores are cosines.
    const BY_COSINE: [Signal; 2] = [Signal::Image, Signal::CaptionVector];

    /// The scale of a signal; `None` where there were too few rows to measure one.
    pub(crate) fn of(&self, signal: Signal) -> Option<Scale> {
        self.0.get(&signal).copied()
    }
}

impl FromIterator<(Signal, Scale)> for Scales {
    fn from_iter<T: IntoIterator<Item = (Signal, Scale)>>(scales: T) -> Self {
        Self(scales.into_iter().collect())
    }
}

impl From<Scales> for Vec<Option<Scale>> {
    fn from(scales: Scales) -> Self {
        Scales::BY_COSINE.iter().map(|signal| scales.of(*signal)).collect()
    }
}

impl TryFrom<Vec<Option<Scale>>> for Scales {
    type Error = &'static str;

    fn try_from(scales: Vec<Option<Scale>>) -> Result<Self, Self::Error> {
        if scales.len() != Self::BY_COSINE.len() {
            return Err("a scale for each signal with cosines is expected");
        }
        let scales = Self::BY_COSINE.into_iter().zip(scales);
        Ok(scales.filter_map(|(signal, scale)| Some((signal, scale?))).collect())
    }
}

impl Cursor {
    /// As text for an address.
    pub(crate) fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads what [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// The text is something else.
    pub(crate) fn read(text: &str) -> Result<Self, Problem> {
        let wrong = || {
            Problem::field(
                "cursor",
                "is not one of this server: take `next_cursor` of the former page as it is",
            )
        };
        if text.len() > MAX_CHARACTERS {
            return Err(wrong());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        serde_json::from_slice(&bytes).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_in_the_format_that_it_always_had() {
        let scale = Scale { mean: 0.25, deviation: 0.5, unrelated_floor: None, broad: false };
        let scales = Scales::from_iter([(Signal::CaptionVector, scale)]);
        let cursor = Cursor { query: "d".into(), scales, position: 3, ..Cursor::default() };
        let written = cursor.write();
        assert_eq!(Cursor::read(&written).unwrap(), cursor);
        let json = URL_SAFE_NO_PAD.decode(written).unwrap();
        let scale = r#"{"m":0.25,"d":0.5,"u":null,"b":false}"#;
        assert_eq!(
            String::from_utf8(json).unwrap(),
            format!(r#"{{"q":"d","m":"","v":0,"c":null,"s":[null,{scale}],"p":3}}"#)
        );
    }

    #[test]
    fn scales_of_other_signals_are_refused() {
        for scales in ["[null]", "[null,null,null]", "{}"] {
            let json = format!(r#"{{"q":"d","m":"","v":0,"c":null,"s":{scales},"p":3}}"#);
            assert!(Cursor::read(&URL_SAFE_NO_PAD.encode(json)).is_err(), "{scales}");
        }
    }
}
