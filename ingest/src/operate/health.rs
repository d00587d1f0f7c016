//! Whether store, broker and sweep are as they should be, in sentences.

use std::time::Duration;

use jiff::Timestamp;
use pipeline::bucket::Bucket;
use pipeline::depths::QueueDepths;
use pipeline::stage_name::StageName;
use serde::Serialize;
use utoipa::ToSchema;

use crate::parts::IngestParts;
use crate::watch::report::{self, is_late};

const STORE_LIMIT: Duration = Duration::from_secs(5);

/// The health of an installation.
#[derive(Serialize, ToSchema)]
pub(crate) struct InstallationHealth {
    store: HealthCondition,
    broker: HealthCondition,
    sweep: SweepCondition,
    /// Always true: a standby does not answer here.
    active: bool,
}

/// Whether one part works, and why or why not.
#[derive(Serialize, ToSchema)]
struct HealthCondition {
    ok: bool,
    detail: String,
}

/// Whether the last full sweep is recent.
#[derive(Serialize, ToSchema)]
struct SweepCondition {
    #[serde(flatten)]
    condition: HealthCondition,
    /// Seconds since the last full sweep ended; null before the first.
    age_seconds: Option<i64>,
}

/// Asks store and broker; the broker for the queues of this stage.
pub(crate) async fn health(
    parts: &IngestParts,
    queues: &QueueDepths,
    stage: &StageName,
) -> anyhow::Result<InstallationHealth> {
    let (store, broker) = tokio::join!(store(&parts.bucket), broker(queues, stage));
    let sweep = if store.ok {
        sweep(parts).await?
    } else {
        let condition = HealthCondition { ok: false, detail: "the store is away".to_owned() };
        SweepCondition { condition, age_seconds: None }
    };
    Ok(InstallationHealth { store, broker, sweep, active: true })
}

async fn store(bucket: &Bucket) -> HealthCondition {
    let name = bucket.name();
    let ok = tokio::time::timeout(STORE_LIMIT, bucket.answers()).await.unwrap_or(false);
    let detail = if ok {
        format!("the bucket '{name}' answers")
    } else {
        format!("the bucket '{name}' does not answer")
    };
    HealthCondition { ok, detail }
}

async fn broker(queues: &QueueDepths, stage: &StageName) -> HealthCondition {
    match queues.depths(stage).await {
        Ok(_) => HealthCondition { ok: true, detail: "the broker answers".to_owned() },
        Err(error) => HealthCondition { ok: false, detail: error.to_string() },
    }
}

async fn sweep(parts: &IngestParts) -> anyhow::Result<SweepCondition> {
    let last = report::last_full(&parts.state).await?.and_then(|report| report.finished_at);
    let (ok, detail) = match (parts.health.troubles().remove("listing"), last) {
        (Some(trouble), _) => (false, trouble),
        (None, Some(at)) => {
            (!is_late(at, &parts.settings), format!("the last full one ended at {at:.0}"))
        }
        (None, None) => (true, "the first one has not ended yet".to_owned()),
    };
    let age_seconds = last.map(|at| Timestamp::now().as_second() - at.as_second());
    Ok(SweepCondition { condition: HealthCondition { ok, detail }, age_seconds })
}
