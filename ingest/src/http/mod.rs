//! The HTTP interface of the active ingest: the webhook for events, and `/v1/ops/…` for operators.
//! Handlers parse, call [`crate::operate`] and answer; they decide nothing.

mod answer;
mod dead_letters;
mod models;
mod openapi;
mod operations;
mod stages;
mod sweep;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::any;
use axum::{Router, middleware};
use pipeline::depths::QueueDepths;
use pipeline::stage_name::StageName;
use service::http::access;
use service::http::problem::Problem;
use service::http::same_origin;
use tokio::sync::mpsc;

use crate::active::ActiveHandle;
use crate::operate::dead_letters::DeadLetters;
use crate::operate::operations::Operations;
use crate::operate::progress::{ProgressSource, RowRate, StageTable};
use crate::parts::IngestParts;
use crate::upkeep::Upkeep;
use crate::watch::events;
use crate::watch::schedule::QueuedSweep;

const MAX_BODY_BYTES: usize = 64 << 10;

/// What the operators' handlers work with.
struct OperatorApi {
    parts: IngestParts,
    queues: Arc<QueueDepths>,
    progress: ProgressSource,
    rate: RowRate,
    // The stage whose queues show whether the broker answers.
    active_stage: StageName,
    sweeps: mpsc::Sender<QueuedSweep>,
    upkeep: Upkeep,
    operations: Operations,
    dead_letters: DeadLetters,
}

impl OperatorApi {
    fn new(handle: ActiveHandle) -> Self {
        let ActiveHandle { parts, stages, sweeps, upkeep, stop, .. } = handle;
        let queues = Arc::new(QueueDepths::new(parts.settings.amqp.clone()));
        let tables = stages
            .iter()
            .map(|stage| StageTable { stage: stage.name.clone(), table: stage.table.clone() });
        let progress = ProgressSource::new(parts.state.clone(), Arc::clone(&queues), tables);
        Self {
            rate: RowRate::start(progress.clone(), stop.clone()),
            progress,
            queues,
            active_stage: stages.active(),
            sweeps,
            upkeep,
            operations: Operations::new(stop),
            dead_letters: DeadLetters::new(
                &parts.settings,
                parts.bucket.clone(),
                Some(stages.publisher().clone()),
            ),
            parts,
        }
    }
}

/// All routes of an active ingest.
pub(crate) fn router(handle: ActiveHandle) -> Router {
    events::router(Arc::clone(&handle.door), &handle.parts.settings).merge(operators(handle))
}

/// The routes below `/v1/ops`. If a key is set, requests must carry it.
fn operators(handle: ActiveHandle) -> Router {
    let key = Arc::new(handle.parts.settings.ops.api_key.clone());
    openapi::described()
        .split_for_parts()
        .0
        .route("/v1/ops/{*rest}", any(unknown))
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(key, access::check))
        .layer(middleware::from_fn(same_origin::check))
        .with_state(Arc::new(OperatorApi::new(handle)))
}

async fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such resource")
}

async fn not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this resource cannot be used with this method")
}
