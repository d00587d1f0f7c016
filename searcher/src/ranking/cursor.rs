//! Where a search goes on: which versions of the tables it looks at, how its scores are read, and
//! how far it came. A page that is asked for by a cursor continues exactly what the former pages
//! began, whatever was written meanwhile.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::ranking::calibration::Scale;

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
    /// Version of the table of vectors.
    #[serde(rename = "v")]
    pub(crate) embeddings: u64,
    /// Version of the table of captions, if it has a say.
    #[serde(rename = "c")]
    pub(crate) captions: Option<u64>,
    /// How cosines are read: of pictures, and of captions.
    #[serde(rename = "s")]
    pub(crate) scales: [Option<Scale>; 2],
    /// Candidates that were looked at.
    #[serde(rename = "p")]
    pub(crate) position: usize,
}

impl Cursor {
    /// As text for an address.
    pub(crate) fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads what [`write`](Self::write) gave.
    ///
    /// # Errors
    /// It is something else.
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
