//! The filter of a search. Its values become typed literals of an expression; a user's text never
//! becomes part of a condition's text.

use jiff::Timestamp;
use lancedb::expr::{DfExpr, col, lit};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::expression::{begins_with, one_of, timestamp};

/// Conditions on the common columns; a row must meet all that are given. Applied before the search,
/// so that it finds as many matching rows as it is asked for even where few match.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// The key begins with this text.
    pub prefix: Option<String>,
    /// One of these formats (`jpeg`, `png`, `webp`, `gif`, `bmp`, `tiff`).
    pub formats: Vec<String>,
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
    pub orientation: Option<PictureShape>,
    /// Taken within this box.
    pub place: Option<Place>,
    /// All of these keywords, as captioners wrote them. Only tables of captions have keywords.
    pub keywords: Vec<String>,
    /// One of these object versions.
    #[serde(skip)]
    pub image_ids: Option<Vec<String>>,
}

/// The shape of a picture as displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Shape)]
pub enum PictureShape {
    /// Wider than high.
    Landscape,
    /// Higher than wide.
    Portrait,
    /// As wide as high.
    Square,
}

/// A box on the map, in degrees, its edges included. If `west` is greater than `east`, the box
/// crosses the antimeridian.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Greatest latitude.
    pub north: f64,
    /// Least latitude.
    pub south: f64,
    /// Longitude of the left edge.
    pub west: f64,
    /// Longitude of the right edge.
    pub east: f64,
}

impl Place {
    fn expression(self) -> DfExpr {
        let (from, to) =
            (col("longitude").gt_eq(lit(self.west)), col("longitude").lt_eq(lit(self.east)));
        let between = if self.west <= self.east { from.and(to) } else { from.or(to) };
        col("latitude")
            .gt_eq(lit(self.south))
            .and(col("latitude").lt_eq(lit(self.north)))
            .and(between)
    }
}

impl Filter {
    /// The filter without its keywords, as one expression; `None` if every row meets it.
    pub(crate) fn expression(&self) -> Option<DfExpr> {
        let mut conditions = Vec::new();
        conditions.extend(self.prefix.as_deref().and_then(|prefix| begins_with("key", prefix)));
        if !self.formats.is_empty() {
            conditions
                .push(one_of("format", self.formats.iter().map(|format| format.to_lowercase())));
        }
        conditions.extend(self.taken_after.map(|t| col("taken_at").gt_eq(timestamp(t))));
        conditions.extend(self.taken_before.map(|t| col("taken_at").lt(timestamp(t))));
        conditions.extend(self.modified_after.map(|t| col("last_modified").gt_eq(timestamp(t))));
        conditions.extend(self.modified_before.map(|t| col("last_modified").lt(timestamp(t))));
        conditions.extend(self.min_width.map(|n| col("width").gt_eq(lit(n))));
        conditions.extend(self.min_height.map(|n| col("height").gt_eq(lit(n))));
        conditions.extend(self.min_size_bytes.map(|n| col("size_bytes").gt_eq(lit(n))));
        conditions.extend(self.max_size_bytes.map(|n| col("size_bytes").lt_eq(lit(n))));
        conditions.extend(self.orientation.map(|shape| match shape {
            PictureShape::Landscape => col("width").gt(col("height")),
            PictureShape::Portrait => col("width").lt(col("height")),
            PictureShape::Square => col("width").eq(col("height")),
        }));
        conditions.extend(self.place.map(Place::expression));
        conditions
            .extend(self.image_ids.as_ref().map(|ids| one_of("image_id", ids.iter().cloned())));
        conditions.into_iter().reduce(DfExpr::and)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_condition_is_no_expression() {
        assert!(Filter::default().expression().is_none());
        assert!(
            Filter { prefix: Some(String::new()), ..Default::default() }.expression().is_none()
        );
    }
}
