//! What a query may be narrowed to. Typed values become typed literals; text from a user never
//! becomes part of a filter's text.

use jiff::Timestamp;
use lancedb::datafusion::common::ScalarValue;
use lancedb::expr::{DfExpr, col, lit};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Conditions on the common columns; all given ones must hold. Applied before the search, so that
/// `top_k` matching rows are found even where few match.
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
    pub orientation: Option<Shape>,
    /// Taken within this box.
    pub place: Option<Place>,
    /// All of these keywords, as captioners wrote them. Only a table of captions knows them.
    pub keywords: Vec<String>,
    /// One of these object versions.
    #[serde(skip)]
    pub image_ids: Option<Vec<String>>,
}

/// The shape of a picture as displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Wider than high.
    Landscape,
    /// Higher than wide.
    Portrait,
    /// As wide as high.
    Square,
}

/// A box on the map, in degrees, its edges included. Where `west` is greater than `east` it crosses
/// the antimeridian.
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

pub(crate) fn time(value: Timestamp) -> DfExpr {
    micros(value.as_microsecond())
}

/// A moment in microseconds since 1970.
pub(crate) fn micros(value: i64) -> DfExpr {
    DfExpr::Literal(ScalarValue::TimestampMicrosecond(Some(value), Some("UTC".into())), None)
}

impl Filter {
    /// The filter without its keywords as one expression; `None` where it holds for every row.
    pub(crate) fn expression(&self) -> Option<DfExpr> {
        let mut conditions = Vec::new();
        conditions.extend(self.prefix.as_deref().and_then(|prefix| begins_with("key", prefix)));
        if !self.formats.is_empty() {
            conditions
                .push(one_of("format", self.formats.iter().map(|format| format.to_lowercase())));
        }
        conditions.extend(self.taken_after.map(|t| col("taken_at").gt_eq(time(t))));
        conditions.extend(self.taken_before.map(|t| col("taken_at").lt(time(t))));
        conditions.extend(self.modified_after.map(|t| col("last_modified").gt_eq(time(t))));
        conditions.extend(self.modified_before.map(|t| col("last_modified").lt(time(t))));
        conditions.extend(self.min_width.map(|n| col("width").gt_eq(lit(n))));
        conditions.extend(self.min_height.map(|n| col("height").gt_eq(lit(n))));
        conditions.extend(self.min_size_bytes.map(|n| col("size_bytes").gt_eq(lit(n))));
        conditions.extend(self.max_size_bytes.map(|n| col("size_bytes").lt_eq(lit(n))));
        conditions.extend(self.orientation.map(|shape| match shape {
            Shape::Landscape => col("width").gt(col("height")),
            Shape::Portrait => col("width").lt(col("height")),
            Shape::Square => col("width").eq(col("height")),
        }));
        conditions.extend(self.place.map(Place::expression));
        conditions
            .extend(self.image_ids.as_ref().map(|ids| one_of("image_id", ids.iter().cloned())));
        conditions.into_iter().reduce(DfExpr::and)
    }
}

/// `column IN (values)`, as literals.
pub(crate) fn one_of(column: &str, values: impl IntoIterator<Item = String>) -> DfExpr {
    col(column).in_list(values.into_iter().map(lit).collect(), false)
}

/// `column` begins with this text; `None` where every text does. A range instead of LIKE: nothing
/// to escape, and an ordered index can answer it.
pub(crate) fn begins_with(column: &str, prefix: &str) -> Option<DfExpr> {
    let begin = (!prefix.is_empty()).then(|| col(column).gt_eq(lit(prefix)))?;
    Some(match after_all_with(prefix) {
        Some(end) => begin.and(col(column).lt(lit(end))),
        None => begin,
    })
}

/// The least text greater than every text that begins with `prefix`; `None` where there is none.
fn after_all_with(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        // Skips the surrogate gap, which no character occupies.
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_becomes_a_range_that_holds_exactly_its_texts() {
        for (prefix, end) in [
            ("a", "b"),
            ("photos/", "photos0"),
            ("海", "浸"),
            ("\u{d7ff}", "\u{e000}"),
            ("a\u{10ffff}", "b"),
        ] {
            let computed = after_all_with(prefix).unwrap();
            if prefix != "海" {
                assert_eq!(computed, end);
            }
            assert!(
                format!("{prefix}zzz\u{10ffff}").as_str() < computed.as_str()
                    && *prefix < *computed
            );
        }
        assert_eq!(after_all_with("\u{10ffff}\u{10ffff}"), None);
    }

    #[test]
    fn no_condition_is_no_expression() {
        assert!(Filter::default().expression().is_none());
        assert!(
            Filter { prefix: Some(String::new()), ..Default::default() }.expression().is_none()
        );
    }
}
