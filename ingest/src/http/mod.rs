//! `/v1/ops/…`: what operators can do over HTTP. The same as on the command line.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use pipeline::connection::AmqpSettings;
use pipeline::depths::QueueDepths;
use pipeline::publish::Publisher;
use pipeline::stage_name::StageName;
use secrecy::SecretString;
use serde_json::{Value, json};
use service::http::access;
use service::http::problem::{Problem, read_json};
use service::http::same_origin;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::active::{Asked, Parts};
use crate::control;
use crate::index::Index;
use crate::operations::{self, End, Operation, Operations};
use crate::ops_dead::{self, Desk};
use crate::ops_health::{self, Pulse};
use crate::ops_models;
use crate::progress::{self, Rate};
use crate::report::{Report, Request};
use crate::upkeep::{Upkeep, Which};

const NOT_ACTIVE: &str = "this ingest is no longer the active one";
const MAX_BODY_BYTES: usize = 64 << 10;
// An answer must come even while bucket or broker do not.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What the handlers work with.
pub(crate) struct Ops {
    parts: Parts,
    index: Index,
    // Whose tables the index holds.
    stages: Vec<StageName>,
    queues: QueueDepths,
    publisher: Publisher,
    rate: Rate,
    sweeps: mpsc::Sender<Asked>,
    upkeep: Upkeep,
    operations: Operations,
}

impl Ops {
    /// Operations end when `stop` is cancelled.
    pub(crate) fn new(
        parts: &Parts,
        index: Index,
        stages: Vec<StageName>,
        publisher: Publisher,
        sweeps: mpsc::Sender<Asked>,
        upkeep: Upkeep,
        stop: CancellationToken,
    ) -> Self {
        Self {
            parts: parts.clone(),
            queues: QueueDepths::new(parts.settings.amqp.clone()),
            rate: Rate::start(index.clone(), stop.clone()),
            index,
            stages,
            publisher,
            sweeps,
            upkeep,
            operations: Operations::new(stop),
        }
    }

    fn amqp(&self) -> &AmqpSettings {
        &self.parts.settings.amqp
    }
}

/// All routes below `/v1/ops`; with a key set, only for who knows it.
pub(crate) fn router(ops: Ops, key: SecretString) -> Router {
    let operations = ops.operations.clone();
    let models = ops_models::router(&ops.parts, operations.clone());
    let desk = Desk::new(
        ops.amqp().clone(),
        control::stages(&ops.parts.settings),
        ops.parts.bucket.clone(),
        ops.publisher.clone(),
        operations.clone(),
    );
    let pulse = Pulse {
        parts: ops.parts.clone(),
        queues: QueueDepths::new(ops.amqp().clone()),
        stage: ops.stages.first().cloned(),
    };
    Router::new()
        .route("/v1/ops/progress", get(show))
        .route("/v1/ops/stages/{stage}/{action}", post(switch))
        .route("/v1/ops/sweep", post(sweep))
        .route("/v1/ops/maintain", post(maintain))
        .route("/v1/ops/{*rest}", any(unknown))
        .with_state(Arc::new(ops))
        .merge(ops_dead::router(desk))
        .merge(ops_health::router(pulse))
        .merge(models)
        .merge(operations::router(operations))
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(Arc::new(key), access::check))
        .layer(middleware::from_fn(same_origin::check))
}

async fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such resource")
}

async fn not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this resource cannot be used with this method")
}

/// Limits how long a handler waits for others, and turns their failure into an answer.
pub(crate) async fn within<T>(
    what: &str,
    work: impl Future<Output = anyhow::Result<T>>,
) -> Result<T, Problem> {
    match tokio::time::timeout(TIMEOUT, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Problem::unavailable(what, format!("{error:#}"))),
        Err(_) => Err(Problem::unavailable(what, "no answer in time")),
    }
}

async fn show(State(ops): State<Arc<Ops>>) -> Result<Json<Value>, Problem> {
    let progress = progress::progress(
        &ops.parts.state,
        &ops.index,
        &ops.queues,
        &ops.stages,
        ops.rate.earlier(),
    );
    let progress = within("the progress cannot be computed", progress).await?;
    Ok(Json(json!({ "stages": progress })))
}

async fn switch(
    State(ops): State<Arc<Ops>>,
    Path((stage, action)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let stages = control::stages(&ops.parts.settings);
    let stage = control::stage(&stages, &stage)
        .map_err(|detail| Problem::new(StatusCode::NOT_FOUND, detail))?;
    let state = &ops.parts.state;
    let failed = "the stage cannot be changed";
    let done = match action.as_str() {
        "pause" => json!(within(failed, control::pause(state, &stage, "someone over HTTP")).await?),
        "resume" => {
            json!(within(failed, control::resume(state, &stage, "someone over HTTP")).await?)
        }
        "cancel" => json!(within(failed, control::cancel(state, ops.amqp(), &stage)).await?),
        _ => {
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                "a stage can be paused, resumed and cancelled: pause, resume, cancel",
            ));
        }
    };
    Ok(Json(done))
}

/// 202 and the operation, or 409 and which one is in the way.
pub(crate) fn accepted(started: Result<Operation, Box<Operation>>) -> Result<Response, Problem> {
    match started {
        Ok(operation) => Ok((StatusCode::ACCEPTED, Json(operation)).into_response()),
        Err(running) => {
            let detail =
                format!("operation {} does the same: wait for its end or cancel it", running.id);
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
    }
}

async fn sweep(State(ops): State<Arc<Ops>>, body: Bytes) -> Result<Response, Problem> {
    let request: Request = read(&body)?;
    control::meant(&ops.parts.settings, request.stage.as_deref())
        .map_err(|error| Problem::field("stage", error))?;
    control::check(&ops.parts.settings, &request)
        .map_err(|error| Problem::field("outdated", error))?;
    let sweeps = ops.sweeps.clone();
    accepted(ops.operations.start("sweep", "sweep".to_owned(), move |reporter| async move {
        let (told, mut telling) = watch::channel(Report::default());
        let (done, end) = oneshot::channel();
        let asked = Asked { request, progress: told, done, cancel: reporter.cancel.clone() };
        sweeps.send(asked).await.map_err(|_| anyhow::anyhow!(NOT_ACTIVE))?;
        let shown = async {
            while telling.changed().await.is_ok() {
                reporter.progress(json!(*telling.borrow_and_update()));
            }
        };
        let (report, ()) = tokio::join!(end, shown);
        Ok(match report.map_err(|_| anyhow::anyhow!(NOT_ACTIVE))?? {
            Some(report) => End::Done(json!(report)),
            None => End::Cancelled(Value::Null),
        })
    }))
}

async fn maintain(State(ops): State<Arc<Ops>>) -> Result<Response, Problem> {
    let upkeep = ops.upkeep.clone();
    accepted(ops.operations.start("maintain", "maintain".to_owned(), move |reporter| async move {
        tokio::select! {
            round = upkeep.run(Which::All) => Ok(End::Done(json!(round))),
            () = reporter.cancel.cancelled() => Ok(End::Cancelled(Value::Null)),
        }
    }))
}

/// Reads a JSON body; an empty one means that everything is as by default.
pub(crate) fn read<T: serde::de::DeserializeOwned + Default>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return Ok(T::default());
    }
    read_json(body, "")
}
