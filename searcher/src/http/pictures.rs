//! `/v1/images/{id}`: facts about one picture, its thumbnail, and a link to its original.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pipeline::ImageId;
use pipeline::bucket::ServedAs;
use serde::{Deserialize, Serialize};
use table::images::Images;
use table::schema::Facts;
use utoipa::{IntoParams, ToSchema};

use super::answer::CaptionFields;
use super::app::App;
use super::query_string::query_string_problem;
use super::thumbnails;
use crate::problem::{self, Problem, ProblemBody};

/// The id in the path, for OpenAPI.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "it only documents what PathId reads")]
pub(crate) struct PathIdParameter {
    /// The `image_id` of a hit.
    #[param(pattern = "^[0-9a-f]{32}$", example = "00000000000000000000000000000000")]
    id: String,
}

/// The id in the path, checked.
pub(crate) struct PathId(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|rejection| Problem::field("id", rejection.body_text()))?;
        id.parse::<ImageId>().map_err(|error| Problem::field("id", error))?;
        Ok(Self(id))
    }
}

async fn images(app: &App, id: &str) -> Result<Arc<Images>, Problem> {
    app.engine.images().await.map_err(problem::tables)?.ok_or_else(|| problem::no_image(id))
}

/// Facts about an indexed picture.
///
/// # Errors
/// 404: no such picture is indexed.
pub(super) async fn indexed(app: &App, id: &str) -> Result<Facts, Problem> {
    images(app, id)
        .await?
        .facts(id)
        .await
        .map_err(problem::tables)?
        .ok_or_else(|| problem::no_image(id))
}

/// Everything known about a picture, with its caption and keywords.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PictureFacts {
    #[serde(flatten)]
    facts: Facts,
    /// 64-bit perceptual hash, in hexadecimal.
    #[serde(rename = "phash")]
    // 64 bits do not fit into JavaScript's numbers.
    phash_hex: String,
    thumbnail_url: String,
    url: String,
    #[serde(flatten)]
    caption: CaptionFields,
}

/// How to answer with an original.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct OriginalOptions {
    /// The link lets a browser save the file instead of showing it.
    #[serde(default)]
    #[param(required = false, default = false)]
    download: bool,
}

/// A link to an original, which expires.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OriginalLink {
    url: String,
}

/// Everything known about a picture, with its caption and keywords.
#[utoipa::path(get, path = "/v1/images/{id}", tag = "pictures", params(PathIdParameter), responses(
    (status = 200, body = PictureFacts),
    (status = 400, body = ProblemBody, description = "the id is malformed"),
    (status = 404, body = ProblemBody, description = "no such picture is indexed"),
))]
pub(crate) async fn facts(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
) -> Result<axum::Json<PictureFacts>, Problem> {
    let facts = indexed(&app, &id).await?;
    let caption = match app.engine.captions().await.map_err(problem::tables)? {
        Some(captions) => {
            captions.said(std::slice::from_ref(&id)).await.map_err(problem::tables)?.remove(&id)
        }
        None => None,
    };
    let [thumbnail_url, url] =
        ["thumbnail", "original"].map(|what| format!("/v1/images/{id}/{what}"));
    let phash_hex = format!("{:016x}", facts.phash);
    Ok(axum::Json(PictureFacts { facts, phash_hex, thumbnail_url, url, caption: caption.into() }))
}

/// A small JPEG of a picture.
#[utoipa::path(get, path = "/v1/images/{id}/thumbnail", tag = "pictures",
    params(PathIdParameter), responses(
    (status = 200, content_type = "image/jpeg", body = Vec<u8>),
    (status = 304, description = "the browser has it: `If-None-Match` names the id"),
    (status = 400, body = ProblemBody, description = "the id is malformed"),
    (status = 404, body = ProblemBody, description = "no such picture is indexed"),
))]
pub(crate) async fn thumbnail(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let read = async {
        let thumbnail = images(&app, &id).await?.thumbnail(&id).await.map_err(problem::tables)?;
        thumbnail.map(Bytes::from).ok_or_else(|| problem::no_image(&id))
    };
    let thumbnail = app.thumbnails.get(&id, read).await?;
    Ok(thumbnails::answer(&id, thumbnail, &headers))
}

/// A link to the original, which expires: a redirect, or JSON for `Accept: application/json`.
// A script that must send an API key cannot follow a redirect to another origin.
#[utoipa::path(get, path = "/v1/images/{id}/original", tag = "pictures",
    params(PathIdParameter, OriginalOptions), responses(
    (status = 200, body = OriginalLink, description = "if `Accept: application/json` was sent"),
    (status = 302, description = "to the store", headers(("location" = String))),
    (status = 400, body = ProblemBody, description = "the id is malformed"),
    (status = 404, body = ProblemBody, description = "no such picture is indexed"),
    (status = 410, body = ProblemBody, description = "the object was removed or overwritten since"),
))]
pub(crate) async fn original(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
    options: Result<Query<OriginalOptions>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(OriginalOptions { download }) =
        options.map_err(|rejection| query_string_problem(&rejection))?;
    let facts = indexed(&app, &id).await?;
    check_object(&app, &facts).await?;
    let served = ServedAs { media_type: media_type(&facts.format), saves: download };
    let link = app.bucket.presigned_get(&facts.key, app.link_lifetime, Some(served)).await;
    let link =
        link.map_err(|error| Problem::unavailable("no link to the original can be made", error))?;
    let no_store = (header::CACHE_CONTROL, "no-store");
    let accept =
        headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.starts_with("application/json") {
        return Ok(([no_store], axum::Json(OriginalLink { url: link })).into_response());
    }
    Ok((StatusCode::FOUND, [(header::LOCATION, link.as_str()), no_store]).into_response())
}

/// A link works by key. So the object under the key must still be the version that the id names.
async fn check_object(app: &App, facts: &Facts) -> Result<(), Problem> {
    let found = app.bucket.head(&facts.key).await;
    let found = found.map_err(|error| Problem::unavailable("the store cannot be asked", error))?;
    let key = &facts.key;
    let detail = match found {
        Some(object) if object.etag == facts.etag => return Ok(()),
        Some(_) => format!("the object '{key}' has other content by now: search again"),
        None => format!("the object '{key}' was removed"),
    };
    Err(Problem::new(StatusCode::GONE, detail))
}

/// The media type of a format. An object that was stored as something else, such as a web page,
/// must not be shown as that.
fn media_type(format: &str) -> &'static str {
    match format {
        "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "bmp" => "image/bmp",
        "tiff" => "image/tiff",
        "jxl" => "image/jxl",
        "heic" => "image/heic",
        "avif" => "image/avif",
        _ => "application/octet-stream",
    }
}
