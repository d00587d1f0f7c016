//! `/v1/ops/models`. The same answers as `ingest models … --json`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use pipeline::models::Removal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service::http::problem::{Problem, ProblemBody};
use table::overlap::Overlap;
use utoipa::ToSchema;

use super::answer::{accepted, read, within};
use super::api::OperatorApi;
use crate::operate::models::{self, Activation, GRACE, ModelChoice, ModelRow, SAMPLES};
use crate::operate::operations::{Operation, OperationEnd};
use crate::operate::schemas::RemovalSchema;

const FAILED: &str = "the models cannot be looked at or changed";

/// All models and captioners.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelList {
    models: Vec<ModelRow>,
}

/// Names a model, or the one that was active before.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ActivateRequest {
    /// Its id.
    model: Option<String>,
    /// The one that was active before.
    previous: bool,
    /// Even if its table lacks pictures.
    force: bool,
}

/// Names a model or captioner to remove.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RemoveRequest {
    /// Its id.
    model: String,
    /// Time in which the removal can be taken back without loss: `24h` (the default), `10m`.
    #[serde(with = "humantime_serde")]
    #[schema(value_type = Option<String>)]
    grace: Option<Duration>,
}

/// Names a removed model or captioner.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct KeepRequest {
    /// Its id.
    model: String,
}

/// Names two models to compare.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OverlapRequest {
    /// One model.
    a: String,
    /// The other one.
    b: String,
    /// Pictures to compare, 100 by default.
    samples: Option<usize>,
}

/// All models and captioners, and how far each is.
#[utoipa::path(get, path = "/v1/ops/models", tag = "models", responses(
    (status = 200, body = ModelList),
))]
pub(super) async fn list(State(api): State<Arc<OperatorApi>>) -> Result<Json<ModelList>, Problem> {
    let models = within(FAILED, models::list(&api.parts, &api.queues)).await?;
    Ok(Json(ModelList { models }))
}

/// Makes a model the one that answers searches; searchers follow within seconds.
#[utoipa::path(post, path = "/v1/ops/models/activate", tag = "models",
    request_body = ActivateRequest,
    responses(
        (status = 200, body = Activation),
        (status = 400, body = ProblemBody, description = "something is wrong: `field` names it"),
        (status = 409, body = ProblemBody, description = "refused, for the reason in `detail`"),
    ))]
pub(super) async fn activate(
    State(api): State<Arc<OperatorApi>>,
    body: Bytes,
) -> Result<Json<Activation>, Problem> {
    let ActivateRequest { model, previous, force } = read(&body)?;
    let choice = match (model, previous) {
        (Some(id), false) => ModelChoice::Id(id),
        (None, true) => ModelChoice::Previous,
        _ => return Err(Problem::field("model", "name the model, or say \"previous\": true")),
    };
    within(FAILED, models::activate(&api.parts, choice, force)).await.map(Json)
}

/// Stops all work for a model or captioner, and drops its table after a while.
#[utoipa::path(post, path = "/v1/ops/models/remove", tag = "models",
    request_body = RemoveRequest,
    responses(
        (status = 200, body = RemovalSchema),
        (status = 400, body = ProblemBody, description = "something is wrong: `field` names it"),
        (status = 409, body = ProblemBody, description = "refused, for the reason in `detail`"),
    ))]
pub(super) async fn remove(
    State(api): State<Arc<OperatorApi>>,
    body: Bytes,
) -> Result<Json<Removal>, Problem> {
    let RemoveRequest { model, grace } = read(&body)?;
    let grace = grace.unwrap_or(GRACE);
    within(FAILED, models::remove(&api.parts, &model, grace)).await.map(Json)
}

/// Takes a removal back.
#[utoipa::path(post, path = "/v1/ops/models/keep", tag = "models",
    request_body = KeepRequest,
    responses(
        (status = 200, body = RemovalSchema, description = "the removal that was taken back"),
        (status = 400, body = ProblemBody, description = "something is wrong: `field` names it"),
        (status = 409, body = ProblemBody, description = "it is not being removed"),
    ))]
pub(super) async fn keep(
    State(api): State<Arc<OperatorApi>>,
    body: Bytes,
) -> Result<Json<Removal>, Problem> {
    let KeepRequest { model } = read(&body)?;
    within(FAILED, models::keep(&api.parts, &model)).await.map(Json)
}

/// Compares what two models find: of the ten nearest pictures, the mean share that both name. The
/// operation's progress is the result so far.
#[utoipa::path(post, path = "/v1/ops/models/overlap", tag = "models",
    request_body = OverlapRequest,
    responses(
        (status = 202, body = Operation),
        (status = 400, body = ProblemBody, description = "something is wrong: `field` names it"),
        (status = 409, body = ProblemBody, description = "a comparison runs already"),
    ))]
pub(super) async fn overlap(
    State(api): State<Arc<OperatorApi>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let OverlapRequest { a, b, samples } = read(&body)?;
    let (parts, samples) = (api.parts.clone(), samples.unwrap_or(SAMPLES));
    let subject = "models/overlap".to_owned();
    let started = api.operations.start("models.overlap", subject, move |reporter| async move {
        let told = |so_far: &Overlap| reporter.progress(json!(so_far));
        tokio::select! {
            compared = models::compare(&parts, [&a, &b], samples, told) => {
                Ok(OperationEnd::Done(json!(compared?)))
            }
            () = reporter.cancel.cancelled() => Ok(OperationEnd::Cancelled(Value::Null)),
        }
    });
    accepted(started, "does the same")
}
