//! `/v1/ops/dead`. The same answers as `ingest dead … --json`.

mod request;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use pipeline::connection::BrokerError;
use pipeline::dead::Selection;
use serde::Serialize;
use service::http::problem::{Problem, ProblemBody};
use utoipa::ToSchema;

use self::request::{LetterQuery, MoveRequest};
use super::answer::{accepted, failed, wrong_field};
use super::api::OperatorApi;
use crate::operate::dead_letters::{
    LISTED, LetterAction, LetterGroups, LetterList, LetterNow, LetterOrder, MoveTrial,
};
use crate::operate::operations::Operation;

const MOST_LISTED: usize = 1000;

type Parameters = Query<HashMap<String, String>>;

/// Letters with what has become of their objects.
#[derive(Serialize, ToSchema)]
pub(super) struct LettersNow {
    letters: Vec<LetterNow>,
}

/// A link to an object.
#[derive(Serialize, ToSchema)]
pub(super) struct ObjectLink {
    /// Good for ten minutes.
    url: String,
}

/// The selection of one letter.
fn one(api: &OperatorApi, id: String) -> Result<Selection, Problem> {
    MoveRequest::of_letter(id).selection(api.dead_letters.stages())
}

/// The answer to a failed look or move.
fn letters_failed(error: anyhow::Error) -> Problem {
    match error.downcast::<BrokerError>() {
        Ok(error) => error.into(),
        Err(error) => failed("the bucket cannot be asked", error),
    }
}

/// The dead letters, grouped by stage, class and reason; largest group first.
#[utoipa::path(get, path = "/v1/ops/dead/groups", tag = "dead letters", params(LetterQuery),
    responses(
        (status = 200, body = LetterGroups),
        (status = 400, body = ProblemBody, description = "something is wrong: `field` names it"),
        (status = 409, body = ProblemBody, description = "others hold the dead letters"),
    ))]
pub(super) async fn groups(
    State(api): State<Arc<OperatorApi>>,
    Query(query): Parameters,
) -> Result<Json<LetterGroups>, Problem> {
    let letters = &api.dead_letters;
    let selection = MoveRequest::from_query(query)?.selection(letters.stages())?;
    Ok(Json(letters.look(&selection).await.map_err(letters_failed)?.groups()))
}

/// The dead letters, oldest first: 100 unless `limit` says otherwise, 1000 at most.
#[utoipa::path(get, path = "/v1/ops/dead", tag = "dead letters", params(LetterQuery), responses(
    (status = 200, body = LetterList),
    (status = 400, body = ProblemBody, description = "something is wrong: `field` names it"),
    (status = 409, body = ProblemBody, description = "others hold the dead letters"),
))]
pub(super) async fn list(
    State(api): State<Arc<OperatorApi>>,
    Query(query): Parameters,
) -> Result<Json<LetterList>, Problem> {
    let mut request = MoveRequest::from_query(query)?;
    let limit = *request.limit.get_or_insert(LISTED);
    if limit > MOST_LISTED {
        return Err(Problem::field("limit", format!("must be at most {MOST_LISTED}")));
    }
    let selection = request.selection(api.dead_letters.stages())?;
    Ok(Json(api.dead_letters.look(&selection).await.map_err(letters_failed)?.letters()))
}

/// One letter, and what has become of its object.
#[utoipa::path(get, path = "/v1/ops/dead/{id}", tag = "dead letters",
    params(("id" = String, Path, description = "message id, or its first eight digits or more")),
    responses(
        (status = 200, body = LettersNow),
        (status = 400, body = ProblemBody, description = "the id is too short"),
        (status = 404, body = ProblemBody, description = "no dead letter has this id"),
    ))]
pub(super) async fn show(
    State(api): State<Arc<OperatorApi>>,
    Path(id): Path<String>,
) -> Result<Json<LettersNow>, Problem> {
    let selection = one(&api, id)?;
    let letters = api.dead_letters.show(&selection).await.map_err(letters_failed)?;
    Ok(Json(LettersNow { letters }))
}

/// A link to the object of a letter, as it is now.
#[utoipa::path(get, path = "/v1/ops/dead/{id}/link", tag = "dead letters",
    params(("id" = String, Path, description = "message id, or its first eight digits or more")),
    responses(
        (status = 200, body = ObjectLink),
        (status = 400, body = ProblemBody, description = "the id is too short"),
        (status = 404, body = ProblemBody, description = "no such letter has an object any more"),
    ))]
pub(super) async fn link(
    State(api): State<Arc<OperatorApi>>,
    Path(id): Path<String>,
) -> Result<Json<ObjectLink>, Problem> {
    let selection = one(&api, id)?;
    let url = api.dead_letters.link(&selection).await.map_err(letters_failed)?;
    Ok(Json(ObjectLink { url }))
}

/// Puts letters back to work.
#[utoipa::path(post, path = "/v1/ops/dead/replay", tag = "dead letters",
    request_body = MoveRequest,
    responses(
        (status = 200, body = MoveTrial, description = "with `dry_run`: nothing was changed"),
        (status = 202, body = Operation),
        (status = 400, body = ProblemBody, description = "something is wrong: `field` names it"),
        (status = 409, body = ProblemBody, description = "another operation moves these letters"),
    ))]
pub(super) async fn replay(
    State(api): State<Arc<OperatorApi>>,
    body: Bytes,
) -> Result<Response, Problem> {
    shift(&api, LetterAction::Replay, &body).await
}

/// Takes letters out for good.
#[utoipa::path(post, path = "/v1/ops/dead/drop", tag = "dead letters",
    request_body = MoveRequest,
    responses(
        (status = 200, body = MoveTrial, description = "with `dry_run`: nothing was changed"),
        (status = 202, body = Operation),
        (status = 400, body = ProblemBody, description = "something is wrong: `field` names it"),
        (status = 409, body = ProblemBody, description = "another operation moves these letters"),
    ))]
pub(super) async fn discard(
    State(api): State<Arc<OperatorApi>>,
    body: Bytes,
) -> Result<Response, Problem> {
    shift(&api, LetterAction::Drop, &body).await
}

async fn shift(api: &OperatorApi, how: LetterAction, body: &[u8]) -> Result<Response, Problem> {
    let letters = &api.dead_letters;
    let request = MoveRequest::from_json(body)?;
    request.check()?;
    let selection = request.selection(letters.stages())?;
    if request.dry_run {
        return Ok(Json(letters.trial(&selection).await.map_err(letters_failed)?).into_response());
    }
    let stage = letters.one_stage_of(&selection).map_err(wrong_field)?;
    let kind = match how {
        LetterAction::Replay => "dead.replay",
        LetterAction::Drop => "dead.drop",
    };
    let subject = format!("dead/{stage}");
    let order = LetterOrder { how, stage, selection, rate: request.rate };
    let letters = letters.clone();
    let started =
        api.operations.start(kind, subject, |reporter| letters.carry_out(order, reporter));
    accepted(started, "moves dead letters of this stage")
}
