//! `/v1/library`: all pictures by date.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use table::schema::Facts;
use utoipa::ToSchema;

use super::app::App;
use super::library_range::{LibraryRange, RangeBounds, write_cursor};
use super::library_view::LibraryView;
use super::query_string::query_string_problem;
use crate::problem::{Problem, ProblemBody};

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
    let Query(range) = range.map_err(|rejection| query_string_problem(&rejection))?;
    let RangeBounds { limit, from, before, after } = range.bounds()?;
    let view = LibraryView::newest(&app).await?;
    let range = view.between(from, before);
    let begin = after.map_or(range.start, |after| view.after(after).clamp(range.start, range.end));
    let end = range.end.min(begin + limit);
    let moments = view.moments(begin..end);
    let facts = view.facts(&moments).await?;
    // A picture that was removed meanwhile has no facts and is left out.
    let pictures = facts.into_iter().zip(&moments);
    let pictures = pictures.filter_map(|(facts, moment)| picture(facts?, moment.at)).collect();
    let next_cursor = moments.last().filter(|_| end < range.end).map(write_cursor);
    let (total, table_version) = (range.len(), view.version());
    Ok(Json(LibraryPage { pictures, next_cursor, total, table_version }))
}

/// Number of pictures of each month, to jump to one.
#[utoipa::path(get, path = "/v1/library/months", tag = "library", responses(
    (status = 200, body = Months),
))]
pub(crate) async fn months(State(app): State<Arc<App>>) -> Result<Json<Months>, Problem> {
    let view = LibraryView::newest(&app).await?;
    let month =
        |(first, count): (Date, usize)| Month { month: first.strftime("%Y-%m").to_string(), count };
    let dates = view.dates();
    let months = table::timeline::months(&dates).into_iter().map(month).collect();
    Ok(Json(Months { months, total: dates.len(), table_version: view.version() }))
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
