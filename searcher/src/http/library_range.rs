//! Which part of the library a request asks for, and the cursor of its pages.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use table::timeline::Moment;
use utoipa::IntoParams;

use crate::problem::Problem;

const DEFAULT_PICTURES: usize = 100;
const MAX_PICTURES: usize = 500;

/// A part of the library.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct LibraryRange {
    /// Pictures of a page, from 1 to 500.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only pictures of this day (UTC) or moment and later.
    #[param(example = "2024-01-01")]
    from: Option<String>,
    /// Only pictures up to this day (UTC, included) or moment.
    #[param(example = "2024-06-30")]
    to: Option<String>,
}

/// A range, checked. Times are microseconds since 1970.
pub(super) struct RangeBounds {
    pub(super) limit: usize,
    pub(super) from: Option<i64>,
    pub(super) before: Option<i64>,
    /// The last picture of the former page.
    pub(super) after: Option<Moment>,
}

impl LibraryRange {
    /// Reads the parameters.
    ///
    /// # Errors
    /// A parameter is wrong.
    pub(super) fn bounds(&self) -> Result<RangeBounds, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_PICTURES);
        if !(1..=MAX_PICTURES).contains(&limit) {
            return Err(Problem::field("limit", format!("must be from 1 to {MAX_PICTURES}")));
        }
        let from = self.from.as_deref().map(|text| moment("from", text, false)).transpose()?;
        let before = self.to.as_deref().map(|text| moment("to", text, true)).transpose()?;
        let after = self.cursor.as_deref().map(read_cursor).transpose()?;
        Ok(RangeBounds { limit, from, before, after })
    }
}

/// Microseconds since 1970 of a moment or of the beginning of a day (UTC). With `end` the moment or
/// day itself is included: one microsecond later, or the beginning of the next day.
fn moment(field: &str, text: &str, end: bool) -> Result<i64, Problem> {
    let wrong = || {
        Problem::field(
            field,
            "is neither a day such as 2024-06-30 nor a moment such as 2024-06-30T12:00:00Z",
        )
    };
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_microsecond() + i64::from(end));
    }
    let day: Date = text.parse().map_err(|_| wrong())?;
    let day = if end { day.checked_add(1.day()).map_err(|_| wrong())? } else { day };
    let begin = day.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
    Ok(begin.timestamp().as_microsecond())
}

/// The cursor of a page that ends with this picture.
pub(super) fn write_cursor(moment: &Moment) -> String {
    format!("{}.{:032x}", moment.at, moment.image_id)
}

fn read_cursor(text: &str) -> Result<Moment, Problem> {
    let parts = text
        .split_once('.')
        .and_then(|(at, id)| Some((at.parse().ok()?, u128::from_str_radix(id, 16).ok()?)));
    let (at, image_id) = parts.ok_or_else(|| {
        Problem::field(
            "cursor",
            "is not one of this server: take `next_cursor` of the former page as it is",
        )
    })?;
    Ok(Moment { at, image_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_where_the_next_begins() {
        let day = 24 * 3600 * 1_000_000;
        let begin = moment("from", "2024-06-30", false).unwrap();
        assert_eq!(moment("to", "2024-06-30", true).unwrap(), begin + day);
        assert_eq!(moment("from", "2024-06-30T00:00:00Z", false).unwrap(), begin);
        for wrong in ["", "june", "2024-13-01", "9999-12-31"] {
            assert!(moment("to", wrong, true).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is() {
        let last = Moment { at: -5, image_id: u128::MAX };
        assert_eq!(read_cursor(&write_cursor(&last)).unwrap(), last);
        for wrong in ["", ".", "1", "1.", "x.1", "1.z", "1.1.1"] {
            assert!(read_cursor(wrong).is_err(), "{wrong}");
        }
    }
}
