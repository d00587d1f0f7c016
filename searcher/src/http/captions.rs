//! `POST /v1/images/{id}/caption`: a caption for one picture now, before those of a backfill.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use pipeline::ObjectRef;
use pipeline::job::{Job, Origin, Redo};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::pictures::{PathId, PathIdParameter, indexed};
use super::query_string::query_string_problem;
use crate::problem::{Problem, ProblemBody};

/// `?redo=true`: caption the picture again.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaptionOptions {
    /// Caption a picture that has a caption, too.
    #[serde(default)]
    #[param(required = false, default = false)]
    redo: bool,
}

/// A request for a caption that was accepted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AcceptedCaption {
    image_id: String,
    /// Stage of the captioner that will write it.
    stage: String,
    /// Where the caption will appear.
    look_at: String,
}

/// Asks for a caption of one picture now, before those of a backfill.
///
/// Answered when the broker has the job. The caption appears at `/v1/images/{id}` some seconds
/// later. A picture that has a caption keeps it unless `redo` is set. Asking for the same picture
/// again within a minute is accepted and does nothing.
#[utoipa::path(post, path = "/v1/images/{id}/caption", tag = "pictures",
    params(PathIdParameter, CaptionOptions), responses(
    (status = 202, body = AcceptedCaption, description = "accepted: the broker has the job"),
    (status = 400, body = ProblemBody, description = "the id or a parameter is wrong"),
    (status = 404, body = ProblemBody, description = "no such picture is indexed"),
    (status = 409, body = ProblemBody, description = "no captioner is set"),
    (status = 429, body = ProblemBody, description = "too many captions were asked for"),
))]
pub(crate) async fn caption(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
    options: Result<Query<CaptionOptions>, QueryRejection>,
) -> Result<(StatusCode, Json<AcceptedCaption>), Problem> {
    let Query(CaptionOptions { redo }) =
        options.map_err(|rejection| query_string_problem(&rejection))?;
    let none = "no captioner is set: name one in captions.active of the searcher";
    let requests =
        app.caption_requests.as_ref().ok_or_else(|| Problem::new(StatusCode::CONFLICT, none))?;
    let facts = indexed(&app, &id).await?;
    let object = ObjectRef {
        bucket: facts.bucket,
        key: facts.key,
        etag: facts.etag,
        size_bytes: Some(facts.size_bytes),
        last_modified: facts.last_modified,
    };
    let job = Job::new(requests.stage().clone(), object, Origin::Api);
    let job = if redo { job.again(Redo::Since(jiff::Timestamp::now())) } else { job };
    requests.ask(&id, redo, &job).await?;
    let (stage, look_at) = (requests.stage().as_str().to_owned(), format!("/v1/images/{id}"));
    Ok((StatusCode::ACCEPTED, Json(AcceptedCaption { image_id: id, stage, look_at })))
}
