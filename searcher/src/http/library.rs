//! `/v1/library`: all pictures by date.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use table::images::Images;
use table::schema::Facts;
use table::timeline::{Moment, Timeline};
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::query_string::query_string_problem;
use crate::problem::{self, Problem, ProblemBody};

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

/// A page of the library.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LibraryPage {
    /// Newest first.
    pictures: Vec<LibraryPicture>,
    /// Where the next page begins; null on the last page.
    next_cursor: Option<String>,
    /// Pictures of the range, on all pages.
    total: usize,
    /// Version of the table of pictures.
    table_version: u64,
}

/// One picture.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LibraryPicture {
    image_id: String,
    bucket: String,
    key: String,
    etag: String,
    /// In pixels, as displayed.
    width: u32,
    /// In pixels, as displayed.
    height: u32,
    format: String,
    size_bytes: u64,
    taken_at: Option<Timestamp>,
    last_modified: Option<Timestamp>,
    /// Orders the library: when the picture was taken, or else last written.
    date: Timestamp,
    thumbnail_url: String,
    url: String,
}

/// Number of pictures of each month.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Months {
    /// Newest first; months without pictures are left out.
    months: Vec<Month>,
    /// All pictures.
    total: usize,
    /// Version of the table of pictures.
    table_version: u64,
}

/// One month (UTC).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Month {
    /// Year and month.
    #[schema(example = "2026-11")]
    month: String,
    /// Pictures in it.
    count: usize,
}

/// The table of pictures and its timeline; `None` and an empty one until a worker has created it.
async fn pictures(app: &App) -> Result<(Option<&Images>, Arc<Timeline>), Problem> {
    let Some(images) = app.engine.images().await.map_err(problem::tables)? else {
        return Ok((None, Arc::default()));
    };
    Ok((Some(images), app.timelines.newest(images.ledger()).await.map_err(problem::tables)?))
}

/// Pictures by date, newest first. A cursor continues after the last picture of the former page,
/// whatever was added meanwhile.
#[utoipa::path(get, path = "/v1/library", tag = "library", params(LibraryRange), responses(
    (status = 200, body = LibraryPage),
    (status = 400, body = ProblemBody, description = "a parameter is wrong"),
))]
pub(crate) async fn library(
    State(app): State<Arc<App>>,
    range: Result<Query<LibraryRange>, QueryRejection>,
) -> Result<Json<LibraryPage>, Problem> {
    let Query(asked) = range.map_err(|rejection| query_string_problem(&rejection))?;
    let limit = asked.limit.unwrap_or(DEFAULT_PICTURES);
    if !(1..=MAX_PICTURES).contains(&limit) {
        return Err(Problem::field("limit", format!("must be from 1 to {MAX_PICTURES}")));
    }
    let from = asked.from.as_deref().map(|text| moment("from", text, false)).transpose()?;
    let before = asked.to.as_deref().map(|text| moment("to", text, true)).transpose()?;
    let after = asked.cursor.as_deref().map(read_cursor).transpose()?;
    let (images, timeline) = pictures(&app).await?;
    let range = timeline.between(from, before);
    let begin =
        after.map_or(range.start, |after| timeline.after(after).clamp(range.start, range.end));
    let end = range.end.min(begin + limit);
    let moments = timeline.slice(begin..end);
    let ids: Vec<_> = moments.iter().map(|moment| format!("{:032x}", moment.image_id)).collect();
    let mut facts = match images {
        Some(images) if !ids.is_empty() => {
            images.ledger().facts(&ids).await.map_err(problem::tables)?
        }
        _ => Default::default(),
    };
    // A picture that was removed meanwhile has no facts and is left out.
    let pictures = ids
        .iter()
        .zip(moments)
        .filter_map(|(id, moment)| picture(facts.remove(id)?, moment.at))
        .collect();
    let next_cursor = moments.last().filter(|_| end < range.end).map(write_cursor);
    Ok(Json(LibraryPage {
        pictures,
        next_cursor,
        total: range.len(),
        table_version: timeline.version,
    }))
}

/// Number of pictures of each month, to jump to one.
#[utoipa::path(get, path = "/v1/library/months", tag = "library", responses(
    (status = 200, body = Months),
))]
pub(crate) async fn months(State(app): State<Arc<App>>) -> Result<Json<Months>, Problem> {
    let (_, timeline) = pictures(&app).await?;
    let month =
        |(first, count): (Date, usize)| Month { month: first.strftime("%Y-%m").to_string(), count };
    let total = timeline.between(None, None).len();
    Ok(Json(Months {
        months: timeline.months().into_iter().map(month).collect(),
        total,
        table_version: timeline.version,
    }))
}

fn picture(facts: Facts, at: i64) -> Option<LibraryPicture> {
    let Facts {
        image_id,
        bucket,
        key,
        etag,
        width,
        height,
        format,
        size_bytes,
        taken_at,
        last_modified,
        ..
    } = facts;
    let date = Timestamp::from_microsecond(at).ok()?;
    let [thumbnail_url, url] =
        ["thumbnail", "original"].map(|what| format!("/v1/images/{image_id}/{what}"));
    Some(LibraryPicture {
        image_id,
        bucket,
        key,
        etag,
        width,
        height,
        format,
        size_bytes,
        taken_at,
        last_modified,
        date,
        thumbnail_url,
        url,
    })
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

fn write_cursor(moment: &Moment) -> String {
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
