//! Conditions on rows, as expressions of typed literals. Text from outside only ever becomes a
//! literal.

use jiff::Timestamp;
use lancedb::datafusion::common::ScalarValue;
use lancedb::expr::{DfExpr, col, lit};

/// Most values in one `IN`, which bounds the size of an expression.
pub(crate) const MOST_VALUES: usize = 2_000;

/// A moment, as a literal.
pub(crate) fn timestamp(value: Timestamp) -> DfExpr {
    timestamp_micros(value.as_microsecond())
}

/// A moment in microseconds since 1970, as a literal.
pub(crate) fn timestamp_micros(value: i64) -> DfExpr {
    DfExpr::Literal(ScalarValue::TimestampMicrosecond(Some(value), Some("UTC".into())), None)
}

/// `column IN (values)`. Callers split more than [`MOST_VALUES`] values into several queries.
pub(crate) fn one_of(column: &str, values: impl IntoIterator<Item = impl ToString>) -> DfExpr {
    col(column).in_list(values.into_iter().map(|value| lit(value.to_string())).collect(), false)
}

/// `column` begins with this text; `None` for the empty text, with which every text begins. A range
/// instead of LIKE: nothing has to be escaped, and an ordered index can answer it.
pub(crate) fn begins_with(column: &str, prefix: &str) -> Option<DfExpr> {
    let begin = (!prefix.is_empty()).then(|| col(column).gt_eq(lit(prefix)))?;
    Some(match after_all_with(prefix) {
        Some(end) => begin.and(col(column).lt(lit(end))),
        None => begin,
    })
}

/// `column` does not begin with this text; no row has this for the empty text.
pub(crate) fn begins_without(column: &str, prefix: &str) -> DfExpr {
    let before = col(column).lt(lit(prefix));
    match after_all_with(prefix) {
        Some(end) => before.or(col(column).gt_eq(lit(end))),
        None => before,
    }
}

/// What no row is.
pub(crate) fn no_row() -> DfExpr {
    begins_without("key", "")
}

/// The least text greater than every text that begins with `prefix`; `None` if no text is greater.
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
}
