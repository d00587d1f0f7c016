//! `GET /v1/objects`: whether an upload has arrived, and whether searches find it.

use std::slice;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use pipeline::ImageId;
use serde::{Deserialize, Serialize};
use table::TableError;
use table::captions::Captions;
use table::embeddings::Embeddings;
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::query_string::query_string_problem;
use super::uploads::enabled;
use crate::engine::Engine;
use crate::problem::{self, Problem, ProblemBody};

const MAX_KEY_BYTES: usize = 1024;

/// The object to look for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectQuery {
    /// Its key.
    key: String,
}

/// An uploaded object.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UploadedObject {
    key: String,
    image_id: String,
    /// Whether searches find it.
    indexed: bool,
}

/// Whether an uploaded object exists, and whether searches find it.
#[utoipa::path(get, path = "/v1/objects", tag = "upload", params(ObjectQuery), responses(
    (status = 200, body = UploadedObject),
    (status = 400, body = ProblemBody, description = "the key is wrong"),
    (status = 404, body = ProblemBody, description = "there is no such object"),
))]
pub(crate) async fn object(
    State(app): State<Arc<App>>,
    query: Result<Query<ObjectQuery>, QueryRejection>,
) -> Result<Json<UploadedObject>, Problem> {
    let settings = enabled(&app)?;
    let Query(ObjectQuery { key }) = query.map_err(|rejection| query_string_problem(&rejection))?;
    // Other objects of the bucket must not be revealed.
    if !key.starts_with(&settings.prefix) || key.len() > MAX_KEY_BYTES {
        return Err(Problem::field("key", format!("must begin with '{}'", settings.prefix)));
    }
    let found = app
        .bucket
        .head(&key)
        .await
        .map_err(|error| Problem::unavailable("the bucket cannot be asked", error))?;
    let found = found
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no object under this key"))?;
    let image_id = ImageId::of(&found.bucket, &key, &found.etag).to_string();
    let indexed = is_indexed(&app.engine, &image_id).await.map_err(problem::tables)?;
    Ok(Json(UploadedObject { key, image_id, indexed }))
}

/// Whether searches find this object version: by its vector, or by its caption while no model
/// answers.
async fn is_indexed(engine: &Engine, image_id: &String) -> Result<bool, TableError> {
    let model = engine.model();
    if let Some(snapshot) = model.snapshots.newest() {
        let number = u128::from_str_radix(image_id, 16).ok();
        let slot = number.and_then(|number| snapshot.slot(number));
        return Ok(slot.is_some_and(|slot| snapshot.shown.has(slot)));
    }
    let (embeddings, captions) = (model.table(&engine.database).await?, engine.captions().await?);
    let ledger = match (embeddings.as_deref(), model.id()) {
        (None, None) => captions.as_deref().map(Captions::ledger),
        (embeddings, _) => embeddings.map(Embeddings::ledger),
    };
    match ledger {
        Some(ledger) => Ok(!ledger.existing(slice::from_ref(image_id)).await?.is_empty()),
        None => Ok(false),
    }
}
