//! The filter of a search. Its values become typed literals of an expression; a user's text never
//! becomes part of a condition's text.

pub mod bounded;
mod condition;
mod openapi;
mod place;
mod read;
mod shape;
#[cfg(test)]
mod tests;
mod values;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::bounded::list;
pub(crate) use self::condition::{Condition, conditions};
pub use self::place::Place;
use self::read::{all, any};
pub use self::shape::PictureShape;
pub use self::values::Values;

/// Most values in one list of a filter.
pub const MAX_VALUES: usize = 100;
/// Most bytes of one text of a filter: as long as a key can be.
pub const MAX_VALUE_BYTES: usize = 1024;

/// Conditions on pictures; a picture must meet all that are given. Applied before the search, so
/// that it finds as many matching rows as it is asked for even where few match.
///
/// As JSON, [`Values`] are a value, a list of values, or `{"all": [], "any": [], "none": []}`. A
/// list means all of the keywords, but any of the other values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// The key begins with these texts.
    #[serde(deserialize_with = "any")]
    #[schema(schema_with = openapi::prefix)]
    pub prefix: Values<String>,
    /// The format (`jpeg`, `png`, `webp`, `gif`, `bmp`, `tiff`, `jxl`), in upper or lower case.
    #[serde(deserialize_with = "any")]
    #[schema(schema_with = openapi::formats)]
    pub formats: Values<String>,
    /// Taken at or after.
    pub taken_after: Option<Timestamp>,
    /// Taken before.
    pub taken_before: Option<Timestamp>,
    /// Written to the bucket at or after.
    pub modified_after: Option<Timestamp>,
    /// Written to the bucket before.
    pub modified_before: Option<Timestamp>,
    /// Width as displayed, at least, in pixels.
    pub min_width: Option<u32>,
    /// Height as displayed, at least, in pixels.
    pub min_height: Option<u32>,
    /// Size of the original, at least.
    pub min_size_bytes: Option<u64>,
    /// Size of the original, at most.
    pub max_size_bytes: Option<u64>,
    /// Wider than high, higher than wide, or neither, as displayed.
    #[serde(deserialize_with = "any")]
    #[schema(schema_with = openapi::orientation)]
    pub orientation: Values<PictureShape>,
    /// Taken within these boxes. A picture without a place is in no box.
    #[serde(deserialize_with = "any")]
    #[schema(schema_with = openapi::place)]
    pub place: Values<Place>,
    /// Keywords, compared by [`keyword::normalised`](crate::keyword::normalised). Only tables of
    /// captions know them. A picture without a caption has none.
    #[serde(deserialize_with = "all")]
    #[schema(schema_with = openapi::keywords)]
    pub keywords: Values<String>,
    /// What the picture lacks; it must lack all of these.
    #[serde(deserialize_with = "list::<_, _, MAX_VALUES>")]
    #[schema(max_items = 100)]
    pub missing: Vec<MissingFact>,
    /// One of these object versions.
    #[serde(skip)]
    pub image_ids: Option<Vec<String>>,
}

/// What a picture can lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingFact {
    /// The time when it was taken.
    TakenAt,
    /// Where it was taken: latitude, longitude or both.
    Place,
    /// A caption. Only tables of captions know it.
    Caption,
    /// Any keyword. A picture without a caption lacks keywords, too.
    Keywords,
}

impl Filter {
    /// Whether every picture meets it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether only captions know which pictures meet it: it names keywords, or asks for pictures
    /// without a caption or without keywords.
    pub fn needs_captions(&self) -> bool {
        let of_captions =
            |fact: &MissingFact| matches!(fact, MissingFact::Caption | MissingFact::Keywords);
        !self.keywords.is_empty() || self.missing.iter().any(of_captions)
    }
}
