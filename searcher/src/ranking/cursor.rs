//! The cursor of a search (search-after): the table versions it reads, the calibration of its
//! scores, and how far it came. A page that follows a cursor continues exactly what the former
//! pages began, whatever was written meanwhile. It is sealed: a client cannot choose the depth or
//! the version of a search.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calibration::Scale;
use super::order::HitPlace;
use crate::problem::Problem;
use crate::query::weights::Signal;
use crate::seal::Seal;
use crate::snapshot::TableVersions;

/// The place after the last hit of a page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    /// Digest of the search.
    #[serde(rename = "q")]
    pub(crate) query: String,
    /// Id of the model that answers; empty where none does.
    #[serde(rename = "m", default, skip_serializing_if = "String::is_empty")]
    pub(crate) model: String,
    /// Version of the table of vectors; 0 where it does not exist.
    #[serde(rename = "v", default, skip_serializing_if = "is_zero")]
    pub(crate) embeddings: u64,
    /// Version of the table of captions; 0 where it does not exist.
    #[serde(rename = "c", default, skip_serializing_if = "is_zero")]
    pub(crate) captions: u64,
    #[serde(rename = "s", default, skip_serializing_if = "Scales::is_empty")]
    pub(crate) scales: Scales,
    /// Weights of the terms of the words.
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) term_weights: Vec<f32>,
    /// The last hit.
    #[serde(rename = "p")]
    pub(crate) after: HitPlace,
    /// Whether the last hit came after all candidates.
    #[serde(rename = "r", default, skip_serializing_if = "is_false")]
    pub(crate) is_past_candidates: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How the cosines of each signal are read. Written as a list in the order of
/// [`BY_COSINE`](Self::BY_COSINE).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Option<Scale>>", into = "Vec<Option<Scale>>")]
pub(crate) struct Scales(BTreeMap<Signal, Scale>);

impl Scales {
    /// The signals whose scores are cosines.
    const BY_COSINE: [Signal; 2] = [Signal::Image, Signal::CaptionVector];

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

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
    /// The versions that the search reads.
    pub(crate) fn versions(&self) -> TableVersions {
        TableVersions { embeddings: self.embeddings, captions: self.captions, images: 0 }
    }

    /// As text for an address, sealed.
    pub(crate) fn write(&self, seal: &Seal) -> String {
        seal.sign(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads what [`write`](Self::write) wrote for the search with this digest.
    ///
    /// # Errors
    /// 400: the text is something else, was sealed with another key, or is of another search.
    pub(crate) fn read(text: &str, seal: &Seal, digest: &str) -> Result<Self, Problem> {
        let wrong = || {
            Problem::field(
                "cursor",
                "is not one of this server, or too old: take `next_cursor` of the former page as \
                 it is, or search again",
            )
        };
        let payload = seal.open(text).ok_or_else(wrong)?;
        // Another release may have sealed another shape.
        let cursor: Self = serde_json::from_slice(&payload).map_err(|_| wrong())?;
        if cursor.query != digest {
            let detail = "belongs to another search: send it with the same query";
            return Err(Problem::field("cursor", detail));
        }
        Ok(cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor {
        let scale = Scale { mean: 0.25, deviation: 0.5, unrelated_floor: None, broad: false };
        let scales = Scales::from_iter([(Signal::CaptionVector, scale)]);
        Cursor { scales, embeddings: 7, ..plain() }
    }

    fn plain() -> Cursor {
        let after =
            HitPlace { taken: None, score: 0.1, bm25: 0.0, depth: -0.5, image_id: 1 << 100 };
        Cursor {
            query: "d".into(),
            model: String::new(),
            embeddings: 0,
            captions: 0,
            scales: Scales::default(),
            term_weights: Vec::new(),
            after,
            is_past_candidates: false,
        }
    }

    #[test]
    fn a_cursor_is_read_back_for_its_search_and_key_only() {
        let (seal, cursor) = (Seal::random(), cursor());
        let text = cursor.write(&seal);
        assert_eq!(Cursor::read(&text, &seal, "d").unwrap(), cursor);
        assert!(Cursor::read(&text, &seal, "e").is_err());
        assert!(Cursor::read(&text, &Seal::random(), "d").is_err());
        assert!(Cursor::read(&text[1..], &seal, "d").is_err());
    }

    #[test]
    fn a_cursor_is_short_and_another_shape_is_refused() {
        let seal = Seal::random();
        let payload = seal.open(&plain().write(&seal)).unwrap();
        let place = r#"{"t":null,"s":0.1,"b":0.0,"d":-0.5,"i":1267650600228229401496703205376}"#;
        assert_eq!(String::from_utf8(payload).unwrap(), format!(r#"{{"q":"d","p":{place}}}"#));
        let written = |scales: &str| format!(r#"{{"q":"d","p":{place},"v":7,"s":{scales}}}"#);
        let scale = r#"{"m":0.25,"d":0.5,"u":null,"b":false}"#;
        let read = |json: &str| Cursor::read(&seal.sign(json.as_bytes()), &seal, "d");
        assert_eq!(read(&written(&format!("[null,{scale}]"))).unwrap(), cursor());
        for scales in ["[null]", "[null,null,null]", "{}"] {
            assert!(read(&written(scales)).is_err(), "{scales}");
        }
        for other in ["", "[]", r#"{"q":"d"}"#, r#"{"q":"d","p":3,"later":1}"#] {
            assert!(read(other).is_err(), "{other}");
        }
    }
}
