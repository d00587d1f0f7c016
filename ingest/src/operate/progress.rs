//! How far each stage is. Computed from the tables, the queues and the last full sweep, so it
//! survives restarts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pipeline::depths::QueueDepths;
use pipeline::stage_name::StageName;
use pipeline::state::StateStore;
use pipeline::switch::{self, StageState};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::active::SWEEP_STATE;
use crate::index::Index;
use crate::report::Report;

/// Progress of one stage. What is not known (no sweep yet, broker away) is `None`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Progress {
    /// Name of the stage.
    pub(crate) stage: String,
    /// By whom and since when it is paused.
    pub(crate) paused: Option<String>,
    /// Watched objects in the bucket, as of the last full sweep.
    pub(crate) objects: Option<usize>,
    /// Rows in the stage's table, spare ones included.
    pub(crate) indexed: usize,
    /// Jobs waiting in the work and bulk queues.
    pub(crate) queued: Option<u32>,
    /// Jobs waiting for their next attempt.
    pub(crate) retrying: Option<u32>,
    /// Jobs that crashed workers, waiting to be worked on alone.
    pub(crate) suspect: Option<u32>,
    /// Dead letters.
    pub(crate) dead: Option<u32>,
    /// Objects of the bucket that are not watched, as of the last full sweep.
    pub(crate) skipped: Option<usize>,
    /// Rows per second, over about the last minute.
    pub(crate) rows_per_second: Option<f64>,
    /// Seconds until everything is indexed at that rate.
    pub(crate) seconds_left: Option<f64>,
    /// When the last full sweep ended.
    pub(crate) swept_at: Option<Timestamp>,
    /// Seconds since then.
    pub(crate) sweep_age_seconds: Option<i64>,
}

/// How many rows there were, for the rate between two looks.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    at: Instant,
    // In the order of the stages.
    rows: Vec<usize>,
}

impl Look {
    /// Counts the rows now.
    pub(crate) async fn now(index: &Index) -> anyhow::Result<Self> {
        let mut rows = Vec::new();
        for stage in 0..index.stages() {
            rows.push(index.rows(stage).await?.unwrap_or(0));
        }
        Ok(Self { at: Instant::now(), rows })
    }

    /// The rate since an earlier look; `None` if it is too short ago to tell.
    fn rate_since(&self, earlier: &Self, stage: usize) -> Option<f64> {
        let time = self.at.saturating_duration_since(earlier.at);
        let more = self.rows.get(stage)?.saturating_sub(*earlier.rows.get(stage)?);
        (time > Duration::from_millis(500)).then(|| more as f64 / time.as_secs_f64())
    }
}

const RATE_OVER: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Looks every now and then, so that a rate over the last minute is at hand.
#[derive(Debug, Clone)]
pub(crate) struct Rate {
    looks: Arc<Mutex<VecDeque<Look>>>,
}

impl Rate {
    /// Looks until `stop`.
    pub(crate) fn start(index: Index, stop: CancellationToken) -> Self {
        let looks = Arc::<Mutex<VecDeque<Look>>>::default();
        let rate = Self { looks: Arc::clone(&looks) };
        tokio::spawn(async move {
            while tokio::time::timeout(LOOK_EVERY, stop.cancelled()).await.is_err() {
                let Ok(look) = Look::now(&index).await else { continue };
                let mut looks = looks.lock().unwrap_or_else(PoisonError::into_inner);
                looks.push_back(look);
                while looks.front().is_some_and(|first| first.at.elapsed() > RATE_OVER) {
                    looks.pop_front();
                }
            }
        });
        rate
    }

    /// The oldest look of the last minute.
    pub(crate) fn earlier(&self) -> Option<Look> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).front().cloned()
    }
}

/// Progress of these stages, which are the index's; `earlier` is a former look, for the rate.
pub(crate) async fn progress(
    state: &StateStore,
    index: &Index,
    queues: &QueueDepths,
    stages: &[StageName],
    earlier: Option<Look>,
) -> anyhow::Result<Vec<Progress>> {
    let now = Look::now(index).await?;
    let sweep = state.get::<Report>(SWEEP_STATE).await?.map(|(report, _)| report);
    let switches = switch::read(state).await?;
    let mut all = Vec::new();
    for (place, stage) in stages.iter().enumerate() {
        let rows = now.rows.get(place).copied().unwrap_or(0);
        let rate = earlier.as_ref().and_then(|earlier| now.rate_since(earlier, place));
        all.push(of_stage(stage, rows, rate, sweep.as_ref(), &switches, queues).await);
    }
    Ok(all)
}

async fn of_stage(
    stage: &StageName,
    rows: usize,
    rate: Option<f64>,
    sweep: Option<&Report>,
    switches: &BTreeMap<String, StageState>,
    queues: &QueueDepths,
) -> Progress {
    let paused = switches.get(stage.as_str()).filter(|stage| stage.paused).map(|stage| {
        let since = stage.changed_at.map(|at| format!(" since {at:.0}")).unwrap_or_default();
        format!("by {}{since}", stage.changed_by)
    });
    let depths = match queues.depths(stage).await {
        Ok(depths) => Some(depths),
        Err(error) => {
            tracing::warn!(%error, "the queues cannot be counted");
            None
        }
    };
    let count = |pick: fn(&pipeline::topology::Depths) -> Option<u32>| {
        depths.as_ref().map(|depths| pick(depths).unwrap_or(0))
    };
    let queued = count(|depths| Some(depths.work.unwrap_or(0) + depths.bulk.unwrap_or(0)));
    let dead = count(|depths| depths.dead);
    let objects = sweep.map(|sweep| sweep.objects);
    let left = objects.map(|objects| objects.saturating_sub(rows + dead.unwrap_or(0) as usize));
    let swept_at = sweep.and_then(|sweep| sweep.finished_at);
    Progress {
        stage: stage.as_str().to_owned(),
        paused,
        objects,
        indexed: rows,
        queued,
        retrying: count(|depths| depths.retry),
        suspect: count(|depths| depths.suspect),
        dead,
        skipped: sweep.map(|sweep| sweep.skipped),
        rows_per_second: rate,
        seconds_left: match (left, rate) {
            (Some(0), _) => Some(0.0),
            (Some(left), Some(rate)) if rate > 0.0 => Some(left as f64 / rate),
            _ => None,
        },
        swept_at,
        sweep_age_seconds: swept_at.map(|at| Timestamp::now().as_second() - at.as_second()),
    }
}
