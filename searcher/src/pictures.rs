//! `/v1/images/{id}`: what is known about one picture, its small picture, and the way to the original.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pipeline::ImageId;
use serde_json::{Value, json};
use table::captions::Said;
use table::images::Images;
use table::schema::Facts;

use crate::api::App;
use crate::problem::{self, Problem};

// An id names one content for ever, so what is derived from it never changes.
const FOR_EVER: &str = "private, max-age=31536000, immutable";

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
    images(app, id).await?.facts(id).await.map_err(problem::tables)?.ok_or_else(|| problem::no_image(id))
}

/// What was said about a picture: `caption` in its main language, `captions` by language, `keywords`, and who said it.
pub(crate) fn add_said(body: &mut Value, said: &Said) {
    let main = (said.language.clone(), Value::from(said.caption.as_str()));
    let others = said.others.iter().map(|(language, caption)| (language.clone(), Value::from(caption.as_str())));
    body["caption"] = said.caption.as_str().into();
    body["captions"] = Value::Object(std::iter::once(main).chain(others).collect());
    body["keywords"] = json!(said.keywords);
    body["captioner"] = said.provider.as_str().into();
}

/// Everything known about a picture, and what was said of it.
pub(crate) async fn facts(State(app): State<Arc<App>>, Id(id): Id) -> Result<axum::Json<Value>, Problem> {
    let facts = known(&app, &id).await?;
    let mut body = json!(facts);
    // 64 bits do not fit into JavaScript's numbers.
    body["phash"] = format!("{:016x}", facts.phash).into();
    body["thumbnail_url"] = format!("/v1/images/{id}/thumbnail").into();
    body["url"] = format!("/v1/images/{id}/original").into();
    if let Some(captions) = app.engine.captions().await.map_err(problem::tables)? {
        let said = captions.said(std::slice::from_ref(&id)).await.map_err(problem::tables)?;
        if let Some(said) = said.get(&id) {
            add_said(&mut body, said);
        }
    }
    Ok(axum::Json(body))
}

/// The small JPEG.
pub(crate) async fn thumbnail(State(app): State<Arc<App>>, Id(id): Id) -> Result<Response, Problem> {
    let bytes = images(&app, &id).await?.thumbnail(&id).await.map_err(problem::tables)?.ok_or_else(|| problem::no_image(&id))?;
    let headers =
        [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, FOR_EVER), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((headers, bytes).into_response())
}

/// Redirects to a link that works for a while; as JSON where JSON is asked for, because a script that must send an API
/// key cannot follow a redirect to another origin.
pub(crate) async fn original(State(app): State<Arc<App>>, Id(id): Id, headers: HeaderMap) -> Result<Response, Problem> {
    let facts = known(&app, &id).await?;
    let link = app.bucket.presigned_get(&facts.key, app.link_lifetime).await;
    let link = link.map_err(|error| Problem::unavailable("no link to the original can be made", error))?;
    let no_store = (header::CACHE_CONTROL, "no-store");
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.starts_with("application/json") {
        return Ok(([no_store], axum::Json(json!({ "url": link }))).into_response());
    }
    Ok((StatusCode::FOUND, [(header::LOCATION, link.as_str()), no_store]).into_response())
}
