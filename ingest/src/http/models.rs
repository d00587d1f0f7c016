//! `/v1/ops/models`: the models over HTTP. The same answers as `ingest models … --json`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use pipeline::depths::QueueDepths;
use serde::Deserialize;
use serde_json::{Value, json};
use service::http::problem::Problem;

use crate::active::Parts;
use crate::models::{self, GRACE, Refused, SAMPLES, Wanted};
use crate::operations::{End, Operations};
use crate::ops::{accepted, read, within};

struct Desk {
    parts: Parts,
    queues: QueueDepths,
    operations: Operations,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Activate {
    model: Option<String>,
    previous: bool,
    force: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Remove {
    model: String,
    #[serde(with = "humantime_serde")]
    grace: Option<Duration>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Keep {
    model: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Overlap {
    a: String,
    b: String,
    samples: Option<usize>,
}

/// The routes.
pub(crate) fn router(parts: &Parts, operations: Operations) -> Router {
    let queues = QueueDepths::new(parts.settings.amqp.clone());
    Router::new()
        .route("/v1/ops/models", get(list))
        .route("/v1/ops/models/activate", post(activate))
        .route("/v1/ops/models/remove", post(remove))
        .route("/v1/ops/models/keep", post(keep))
        .route("/v1/ops/models/overlap", post(overlap))
        .with_state(Arc::new(Desk { parts: parts.clone(), queues, operations }))
}

/// What was refused is the asker's affair, everything else a trouble of ours.
async fn done<T>(work: impl Future<Output = anyhow::Result<T>>) -> Result<T, Problem> {
    let split = async {
        match work.await {
            Ok(done) => Ok(Ok(done)),
            Err(error) => error.downcast::<Refused>().map(Err),
        }
    };
    within("the models cannot be looked at or changed", split)
        .await?
        .map_err(|error| Problem::new(StatusCode::CONFLICT, error))
}

async fn list(State(desk): State<Arc<Desk>>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "models": done(models::list(&desk.parts, &desk.queues)).await? })))
}

async fn activate(State(desk): State<Arc<Desk>>, body: Bytes) -> Result<Json<Value>, Problem> {
    let Activate { model, previous, force } = read(&body)?;
    let wanted = match (model, previous) {
        (Some(id), false) => Wanted::Id(id),
        (None, true) => Wanted::Previous,
        _ => return Err(Problem::field("model", "name the model, or say \"previous\": true")),
    };
    Ok(Json(json!(done(models::activate(&desk.parts, wanted, force)).await?)))
}

async fn remove(State(desk): State<Arc<Desk>>, body: Bytes) -> Result<Json<Value>, Problem> {
    let Remove { model, grace } = read(&body)?;
    Ok(Json(json!(done(models::remove(&desk.parts, &model, grace.unwrap_or(GRACE))).await?)))
}

async fn keep(State(desk): State<Arc<Desk>>, body: Bytes) -> Result<Json<Value>, Problem> {
    let Keep { model } = read(&body)?;
    Ok(Json(json!(done(models::keep(&desk.parts, &model)).await?)))
}

async fn overlap(State(desk): State<Arc<Desk>>, body: Bytes) -> Result<Response, Problem> {
    let Overlap { a, b, samples } = read(&body)?;
    let parts = desk.parts.clone();
    accepted(desk.operations.start("models.overlap", "models/overlap".to_owned(), move |reporter| async move {
        let told = |so_far: &table::overlap::Overlap| reporter.progress(json!(so_far));
        tokio::select! {
            compared = models::compare(&parts, [&a, &b], samples.unwrap_or(SAMPLES), told) => Ok(End::Done(json!(compared?))),
            () = reporter.cancel.cancelled() => Ok(End::Cancelled(Value::Null)),
        }
    }))
}
