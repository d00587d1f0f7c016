//! A filter as an expression.

use jiff::Timestamp;
use lancedb::expr::{DfExpr, col, lit};

use super::{Filter, MissingFact, PictureShape, Place, Values};
use crate::expression::{begins_with, begins_without, one_of, timestamp};

impl Filter {
    /// The filter as one expression, without what only captions know
    /// ([`needs_captions`](Self::needs_captions)); `None` if every row meets it.
    pub(crate) fn expression(&self) -> Option<DfExpr> {
        let mut conditions = conditions(&self.prefix, |prefix| Condition {
            holds: begins_with("key", prefix),
            fails: begins_without("key", prefix),
        });
        conditions.extend(self::conditions(&self.formats, |format| {
            let format = lit(format.to_lowercase());
            Condition {
                holds: Some(col("format").eq(format.clone())),
                fails: col("format").not_eq(format),
            }
        }));
        conditions.extend(self.sizes_and_times());
        conditions.extend(self::conditions(&self.orientation, |shape| shape_condition(*shape)));
        conditions.extend(self::conditions(&self.place, |place| place_condition(*place)));
        conditions.extend(self.missing.iter().filter_map(|fact| match fact {
            MissingFact::TakenAt => Some(col("taken_at").is_null()),
            MissingFact::Place => Some(no_place()),
            MissingFact::Caption | MissingFact::Keywords => None,
        }));
        conditions
            .extend(self.image_ids.as_ref().map(|ids| one_of("image_id", ids.iter().cloned())));
        conditions.into_iter().reduce(DfExpr::and)
    }

    fn sizes_and_times(&self) -> impl Iterator<Item = DfExpr> {
        let from = |column, at: Option<Timestamp>| at.map(|at| col(column).gt_eq(timestamp(at)));
        let before = |column, at: Option<Timestamp>| at.map(|at| col(column).lt(timestamp(at)));
        [
            from("taken_at", self.taken_after),
            before("taken_at", self.taken_before),
            from("last_modified", self.modified_after),
            before("last_modified", self.modified_before),
            self.min_width.map(|n| col("width").gt_eq(lit(n))),
            self.min_height.map(|n| col("height").gt_eq(lit(n))),
            self.min_size_bytes.map(|n| col("size_bytes").gt_eq(lit(n))),
            self.max_size_bytes.map(|n| col("size_bytes").lt_eq(lit(n))),
        ]
        .into_iter()
        .flatten()
    }
}

/// The condition that a row has a value.
pub(crate) struct Condition {
    /// `None` if every row has it.
    pub(crate) holds: Option<DfExpr>,
    /// True for every row for which the condition does not hold, and for rows that lack what it
    /// speaks of: where `holds` is NULL, this is not.
    pub(crate) fails: DfExpr,
}

/// The conditions of all, any and none of these values.
pub(crate) fn conditions<T>(values: &Values<T>, of: impl Fn(&T) -> Condition) -> Vec<DfExpr> {
    let mut conditions: Vec<_> = values.all.iter().filter_map(|value| of(value).holds).collect();
    let any: Option<Vec<_>> = values.any.iter().map(|value| of(value).holds).collect();
    conditions.extend(any.and_then(|any| any.into_iter().reduce(DfExpr::or)));
    conditions.extend(values.none.iter().map(|value| of(value).fails));
    conditions
}

fn shape_condition(shape: PictureShape) -> Condition {
    let (width, height) = (|| col("width"), || col("height"));
    let (holds, fails) = match shape {
        PictureShape::Landscape => (width().gt(height()), width().lt_eq(height())),
        PictureShape::Portrait => (width().lt(height()), width().gt_eq(height())),
        PictureShape::Square => (width().eq(height()), width().not_eq(height())),
    };
    Condition { holds: Some(holds), fails }
}

fn place_condition(Place { north, south, west, east }: Place) -> Condition {
    let (latitude, longitude) = (|| col("latitude"), || col("longitude"));
    let (from, to) = (longitude().gt_eq(lit(west)), longitude().lt_eq(lit(east)));
    let (left, right) = (longitude().lt(lit(west)), longitude().gt(lit(east)));
    let (between, beside) = match west <= east {
        true => (from.and(to), left.or(right)),
        false => (from.or(to), left.and(right)),
    };
    let within = latitude().gt_eq(lit(south)).and(latitude().lt_eq(lit(north)));
    let outside = latitude().lt(lit(south)).or(latitude().gt(lit(north)));
    Condition { holds: Some(within.and(between)), fails: no_place().or(outside).or(beside) }
}

fn no_place() -> DfExpr {
    col("latitude").is_null().or(col("longitude").is_null())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::no_row;

    #[test]
    fn no_condition_is_no_expression() {
        let of_captions = vec![MissingFact::Caption, MissingFact::Keywords];
        for filter in [
            Filter::default(),
            Filter { prefix: Values::any([String::new()]), ..Filter::default() },
            Filter { prefix: Values::all([String::new()]), ..Filter::default() },
            Filter { keywords: Values::none([String::from("car")]), ..Filter::default() },
            Filter { missing: of_captions, ..Filter::default() },
        ] {
            assert!(filter.expression().is_none(), "{filter:?}");
        }
        let filter = Filter { prefix: Values::none([String::new()]), ..Filter::default() };
        assert_eq!(filter.expression(), Some(no_row()), "every key begins with nothing");
    }
}
