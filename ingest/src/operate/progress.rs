//! How far each stage is. Computed from the tables, the queues and the last full sweep, so it
//! survives restarts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pipeline::depths::QueueDepths;
use pipeline::models;
use pipeline::stage_name::StageName;
use pipeline::state::StateStore;
use pipeline::switch::{self, StageState};
use pipeline::topology::Depths;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::parts::IngestParts;
use crate::watch::report::{self, SweepReport};
use crate::watch::watched_table::WatchedTable;

const RATE_OVER: Duration = Duration::from_secs(60);
const COUNT_EVERY: Duration = Duration::from_secs(10);
// A rate over less time than this says nothing.
const SHORTEST: Duration = Duration::from_millis(500);

/// Progress of one stage. Unknown values (no sweep yet, broker away) are `null`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct StageProgress {
    /// Name of the stage.
    pub(crate) stage: String,
    /// Who paused it and when; `null` while it runs.
    pub(crate) paused: Option<String>,
    /// Watched objects in the bucket, as of the last full sweep.
    pub(crate) objects: Option<usize>,
    /// Rows in the stage's table, spare ones included.
    pub(crate) indexed: usize,
    /// Jobs waiting in the work and bulk queues.
    pub(crate) queued: Option<u32>,
    /// Jobs waiting for their next attempt.
    pub(crate) retrying: Option<u32>,
    /// Jobs whose workers crashed, waiting to be tried alone.
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
    /// Seconds since the last full sweep ended.
    pub(crate) sweep_age_seconds: Option<i64>,
}

/// A stage and its table.
#[derive(Clone)]
pub(crate) struct StageTable {
    pub(crate) stage: StageName,
    pub(crate) table: WatchedTable,
}

/// The number of rows of each stage at one moment.
#[derive(Debug, Clone)]
pub(crate) struct RowCounts {
    at: Instant,
    rows: BTreeMap<StageName, usize>,
}

/// Everything that progress is computed from; clones share it.
#[derive(Clone)]
pub(crate) struct ProgressSource {
    state: StateStore,
    queues: Arc<QueueDepths>,
    tables: Arc<[StageTable]>,
}

impl RowCounts {
    async fn count(tables: &[StageTable]) -> anyhow::Result<Self> {
        let mut rows = BTreeMap::new();
        for StageTable { stage, table } in tables {
            rows.insert(stage.clone(), table.rows().await?.unwrap_or(0));
        }
        Ok(Self { at: Instant::now(), rows })
    }

    fn of(&self, stage: &StageName) -> usize {
        self.rows.get(stage).copied().unwrap_or(0)
    }

    /// Rows per second since an earlier count; `None` if that is too short ago to tell.
    fn rate_since(&self, earlier: &Self, stage: &StageName) -> Option<f64> {
        let time = self.at.saturating_duration_since(earlier.at);
        let more = self.of(stage).saturating_sub(*earlier.rows.get(stage)?);
        (time > SHORTEST).then(|| more as f64 / time.as_secs_f64())
    }
}

impl ProgressSource {
    pub(crate) fn new(
        state: StateStore,
        queues: Arc<QueueDepths>,
        tables: impl IntoIterator<Item = StageTable>,
    ) -> Self {
        Self { state, queues, tables: tables.into_iter().collect() }
    }

    /// The progress of every stage; `earlier` is an earlier count, for the rate.
    pub(crate) async fn progress(
        &self,
        earlier: Option<RowCounts>,
    ) -> anyhow::Result<Vec<StageProgress>> {
        let now = RowCounts::count(&self.tables).await?;
        let sweep = report::last_full(&self.state).await?;
        let switches = switch::read(&self.state).await?;
        let mut all = Vec::new();
        for StageTable { stage, .. } in self.tables.iter() {
            let rate = earlier.as_ref().and_then(|earlier| now.rate_since(earlier, stage));
            let depths = self.depths(stage).await;
            let mut progress = of_stage(stage, now.of(stage), depths, sweep.as_ref());
            progress.paused = paused(switches.get(stage.as_str()));
            progress.rows_per_second = rate;
            progress.seconds_left = seconds_left(&progress);
            all.push(progress);
        }
        Ok(all)
    }

    async fn depths(&self, stage: &StageName) -> Option<Depths> {
        match self.queues.depths(stage).await {
            Ok(depths) => Some(depths),
            Err(error) => {
                tracing::warn!(%error, "the queues cannot be counted");
                None
            }
        }
    }
}

/// The progress of every stage, with a rate measured over this time.
pub(crate) async fn measured(
    parts: &IngestParts,
    over: Duration,
) -> anyhow::Result<Vec<StageProgress>> {
    let decisions = models::read(&parts.state).await?;
    let stages = parts.settings.stages.kept(&decisions).into_iter();
    let tables = stages
        .map(|stage| StageTable { table: WatchedTable::of_stage(&parts.database, &stage), stage });
    let queues = Arc::new(QueueDepths::new(parts.settings.amqp.clone()));
    let source = ProgressSource::new(parts.state.clone(), queues, tables);
    let earlier = RowCounts::count(&source.tables).await?;
    tokio::time::sleep(over).await;
    source.progress(Some(earlier)).await
}

fn paused(switch: Option<&StageState>) -> Option<String> {
    let switch = switch.filter(|switch| switch.paused)?;
    let since = switch.changed_at.map(|at| format!(" since {at:.0}")).unwrap_or_default();
    Some(format!("by {}{since}", switch.changed_by))
}

/// Everything but the pause and the rate.
fn of_stage(
    stage: &StageName,
    rows: usize,
    depths: Option<Depths>,
    sweep: Option<&SweepReport>,
) -> StageProgress {
    let count =
        |pick: fn(&Depths) -> Option<u32>| depths.as_ref().map(|depths| pick(depths).unwrap_or(0));
    let swept_at = sweep.and_then(|sweep| sweep.finished_at);
    StageProgress {
        stage: stage.as_str().to_owned(),
        paused: None,
        objects: sweep.map(|sweep| sweep.objects),
        indexed: rows,
        queued: count(|depths| Some(depths.work.unwrap_or(0) + depths.bulk.unwrap_or(0))),
        retrying: count(|depths| depths.retry),
        suspect: count(|depths| depths.suspect),
        dead: count(|depths| depths.dead),
        skipped: sweep.map(|sweep| sweep.skipped),
        rows_per_second: None,
        seconds_left: None,
        swept_at,
        sweep_age_seconds: swept_at.map(|at| Timestamp::now().as_second() - at.as_second()),
    }
}

fn seconds_left(progress: &StageProgress) -> Option<f64> {
    let done = progress.indexed + progress.dead.unwrap_or(0) as usize;
    match (progress.objects?.saturating_sub(done), progress.rows_per_second) {
        (0, _) => Some(0.0),
        (left, Some(rate)) if rate > 0.0 => Some(left as f64 / rate),
        _ => None,
    }
}

/// Counts rows every ten seconds, so that a rate over the last minute is at hand.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowRate {
    counts: Arc<Mutex<VecDeque<RowCounts>>>,
}

impl RowRate {
    /// Counts until `stop`.
    pub(crate) fn start(source: ProgressSource, stop: CancellationToken) -> Self {
        let rate = Self::default();
        let counts = Arc::clone(&rate.counts);
        tokio::spawn(async move {
            while tokio::time::timeout(COUNT_EVERY, stop.cancelled()).await.is_err() {
                let Ok(count) = RowCounts::count(&source.tables).await else { continue };
                let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                counts.push_back(count);
                while counts.front().is_some_and(|first| first.at.elapsed() > RATE_OVER) {
                    counts.pop_front();
                }
            }
        });
        rate
    }

    /// The oldest count of the last minute.
    pub(crate) fn earlier(&self) -> Option<RowCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).front().cloned()
    }
}
