//! `/v1/images/{id}`: what is known about one picture, its small picture, and the way to the
//! original.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pipeline::ImageId;
use serde::{Deserialize, Serialize};
use table::images::Images;
use table::schema::Facts;
use utoipa::{IntoParams, ToSchema};

use crate::answer::Captioned;
use crate::api::{App, query_string_problem};
use crate::problem::{self, Problem, ProblemBody};

// An id names one content for ever, so what is derived from it never changes.
const FOR_EVER: &str = "private, max-age=31536000, immutable";

/// The id in the address, for the description.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "it only describes what Id reads")]
pub(crate) struct IdInPath {
    /// The `image_id` of a hit.
    #[param(pattern = "^[0-9a-f]{32}$", example = "00000000000000000000000000000000")]
    id: String,
}

/// The id in the address, checked.
pub(crate) struct Id(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|rejection| Problem::field("id", rejection.body_text()))?;
        id.parse::<ImageId>().map_err(|error| Problem::field("id", error))?;
        Ok(Self(id))
    }
}

async fn images<'a>(app: &'a App, id: &str) -> Result<&'a Images, Problem> {
    app.engine.images().await.map_err(problem::tables)?.ok_or_else(|| problem::no_image(id))
}

pub(crate) async fn known(app: &App, id: &str) -> Result<Facts, Problem> {
    images(app, id)
        .await?
        .facts(id)
        .await
        .map_err(problem::tables)?
        .ok_or_else(|| problem::no_image(id))
}

/// Everything known about a picture, and what was said of it.
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
    said: Captioned,
}

/// What is to become of an original.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// A browser saves it instead of showing it.
    #[serde(default)]
    #[param(required = false, default = false)]
    download: bool,
}

/// Where an original is to be found for a while.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Original {
    url: String,
}

/// Everything known about a picture, and what was said of it.
#[utoipa::path(get, path = "/v1/images/{id}", tag = "pictures", params(IdInPath), responses(
    (status = 200, body = PictureFacts),
    (status = 400, body = ProblemBody, description = "the id is none"),
    (status = 404, body = ProblemBody, description = "no such picture is indexed"),
))]
pub(crate) async fn facts(
    State(app): State<Arc<App>>,
    Id(id): Id,
) -> Result<axum::Json<PictureFacts>, Problem> {
    let facts = known(&app, &id).await?;
    let said = match app.engine.captions().await.map_err(problem::tables)? {
        Some(captions) => {
            captions.said(std::slice::from_ref(&id)).await.map_err(problem::tables)?.remove(&id)
        }
        None => None,
    };
    let [thumbnail_url, url] =
        ["thumbnail", "original"].map(|what| format!("/v1/images/{id}/{what}"));
    let phash_hex = format!("{:016x}", facts.phash);
    Ok(axum::Json(PictureFacts { facts, phash_hex, thumbnail_url, url, said: Captioned::of(said) }))
}

/// A small JPEG of a picture.
#[utoipa::path(get, path = "/v1/images/{id}/thumbnail", tag = "pictures", params(IdInPath), responses(
    (status = 200, content_type = "image/jpeg", body = Vec<u8>),
    (status = 400, body = ProblemBody, description = "the id is none"),
    (status = 404, body = ProblemBody, description = "no such picture is indexed"),
))]
pub(crate) async fn thumbnail(
    State(app): State<Arc<App>>,
    Id(id): Id,
) -> Result<Response, Problem> {
    let bytes = images(&app, &id)
        .await?
        .thumbnail(&id)
        .await
        .map_err(problem::tables)?
        .ok_or_else(|| problem::no_image(&id))?;
    let headers = [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, FOR_EVER)];
    Ok((headers, bytes).into_response())
}

/// A link to the original, that works for a while: a redirect, or JSON where that is asked for.
// A script that must send an API key cannot follow a redirect to another origin.
#[utoipa::path(get, path = "/v1/images/{id}/original", tag = "pictures", params(IdInPath, Wish), responses(
    (status = 200, body = Original, description = "where `Accept: application/json` was sent"),
    (status = 302, description = "to the store", headers(("location" = String))),
    (status = 400, body = ProblemBody, description = "the id is none"),
    (status = 404, body = ProblemBody, description = "no such picture is indexed"),
))]
pub(crate) async fn original(
    State(app): State<Arc<App>>,
    Id(id): Id,
    wish: Result<Query<Wish>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(Wish { download }) = wish.map_err(|rejection| query_string_problem(&rejection))?;
    let facts = known(&app, &id).await?;
    let link = app.bucket.presigned_get(&facts.key, app.link_lifetime, download).await;
    let link =
        link.map_err(|error| Problem::unavailable("no link to the original can be made", error))?;
    let no_store = (header::CACHE_CONTROL, "no-store");
    let accept =
        headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.starts_with("application/json") {
        return Ok(([no_store], axum::Json(Original { url: link })).into_response());
    }
    Ok((StatusCode::FOUND, [(header::LOCATION, link.as_str()), no_store]).into_response())
}
