//! `/v1/ops/health`: whether what everything rests on is there, in sentences.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use pipeline::depths::QueueDepths;
use pipeline::stage_name::StageName;
use serde::Serialize;
use service::http::problem::Problem;

use crate::active::{Parts, SWEEP_STATE};
use crate::ops::within;
use crate::report::{Report, is_late};

const STORE_LIMIT: Duration = Duration::from_secs(5);

/// What is asked.
pub(crate) struct Pulse {
    pub(crate) parts: Parts,
    pub(crate) queues: QueueDepths,
    pub(crate) stage: Option<StageName>,
}

#[derive(Serialize)]
struct Health {
    store: Condition,
    broker: Condition,
    sweep: Sweep,
    /// Only the active ingest answers here.
    active: bool,
}

#[derive(Serialize)]
struct Condition {
    ok: bool,
    detail: String,
}

#[derive(Serialize)]
struct Sweep {
    #[serde(flatten)]
    condition: Condition,
    /// Seconds since the last full one ended; null before the first.
    age_seconds: Option<i64>,
}

/// The route.
pub(crate) fn router(pulse: Pulse) -> Router {
    Router::new().route("/v1/ops/health", get(show)).with_state(Arc::new(pulse))
}

async fn show(State(pulse): State<Arc<Pulse>>) -> Result<Json<Health>, Problem> {
    let (store, broker) = tokio::join!(store(&pulse), broker(&pulse));
    let sweep = match store.ok {
        true => within("the state of the sweep cannot be read", sweep(&pulse)).await?,
        false => Sweep {
            condition: Condition { ok: false, detail: "the store is away".to_owned() },
            age_seconds: None,
        },
    };
    Ok(Json(Health { store, broker, sweep, active: true }))
}

async fn store(pulse: &Pulse) -> Condition {
    let bucket = &pulse.parts.bucket;
    match tokio::time::timeout(STORE_LIMIT, bucket.answers()).await {
        Ok(true) => {
            Condition { ok: true, detail: format!("the bucket '{}' answers", bucket.name()) }
        }
        _ => Condition {
            ok: false,
            detail: format!("the bucket '{}' does not answer", bucket.name()),
        },
    }
}

async fn broker(pulse: &Pulse) -> Condition {
    let Some(stage) = &pulse.stage else {
        return Condition { ok: true, detail: "there is no stage to ask for".to_owned() };
    };
    match pulse.queues.depths(stage).await {
        Ok(_) => Condition { ok: true, detail: "the broker answers".to_owned() },
        Err(error) => Condition { ok: false, detail: error.to_string() },
    }
}

async fn sweep(pulse: &Pulse) -> anyhow::Result<Sweep> {
    let last = pulse
        .parts
        .state
        .get::<Report>(SWEEP_STATE)
        .await?
        .and_then(|(report, _)| report.finished_at);
    let age_seconds = last.map(|at| Timestamp::now().as_second() - at.as_second());
    let settings = &pulse.parts.settings;
    let (ok, detail) = match (pulse.parts.health.troubles().remove("listing"), last, age_seconds) {
        (Some(trouble), ..) => (false, trouble),
        (None, Some(at), _) if is_late(at, settings) => {
            (false, format!("the last full one ended at {at:.0}"))
        }
        (None, Some(at), _) => (true, format!("the last full one ended at {at:.0}")),
        (None, None, _) => (true, "the first one has not ended yet".to_owned()),
    };
    Ok(Sweep { condition: Condition { ok, detail }, age_seconds })
}
