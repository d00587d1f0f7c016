//! What a sweep is asked to do, and its report.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use pipeline::bucket::Only;
use pipeline::stage_kind::StageKind;
use pipeline::stage_name::StageName;
use pipeline::state::{StateError, StateStore};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::settings::Settings;

/// Name of the state object with the report of the last full sweep.
const STATE_NAME: &str = "sweep";
// A full sweep takes time, and one may fail: it is late after two intervals and this.
const ALLOWANCE: Duration = Duration::from_secs(3600);

/// The report of the last full sweep; `None` before the first.
pub(crate) async fn last_full(state: &StateStore) -> Result<Option<SweepReport>, StateError> {
    Ok(state.get(STATE_NAME).await?.map(|(report, _)| report))
}

/// Keeps the report of a full sweep.
pub(crate) async fn keep(state: &StateStore, report: &SweepReport) -> Result<(), StateError> {
    state.put(STATE_NAME, report, Only::Always).await.map(drop)
}

/// Whether the last full sweep ended too long ago.
pub(crate) fn is_late(finished_at: Timestamp, settings: &Settings) -> bool {
    let late = settings.watch.poll_interval * 2 + ALLOWANCE;
    Timestamp::now().duration_since(finished_at).as_secs() > late.as_secs().cast_signed()
}

/// What a sweep is asked to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SweepRequest {
    /// Only objects whose key begins with this.
    pub(crate) prefix: Option<String>,
    /// Change nothing, only count.
    pub(crate) dry_run: bool,
    /// Remove rows even if they are more than `watch.max_delete_share` of all.
    pub(crate) allow_mass_delete: bool,
    /// Publish the rest of a cancelled backfill.
    pub(crate) release: bool,
    /// Publish captions again that were written with another prompt, model or language than their
    /// captioner would use today.
    pub(crate) outdated: bool,
    /// Publish for this stage only.
    pub(crate) stage: Option<String>,
}

impl SweepRequest {
    /// Whether the sweep publishes for this stage.
    pub(crate) fn concerns(&self, stage: &StageName) -> bool {
        self.stage.as_ref().is_none_or(|asked| asked == stage.as_str())
    }
}

/// What a sweep found and did for one stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct SweepCounts {
    /// Watched objects that have their row.
    pub(crate) indexed: usize,
    /// Watched objects without a row.
    pub(crate) missing: usize,
    /// Of the missing: published now. In a dry run: would be published.
    pub(crate) published: usize,
    /// Of the missing: not published again, because their job is on its way, a dead letter, or
    /// withheld since a cancelled backfill.
    pub(crate) waiting: usize,
    /// Of the missing: left to a later sweep, because the active model's queues are not nearly
    /// empty or the stage's own are full. Never for the active model.
    pub(crate) postponed: usize,
    /// Of the indexed: published again because they are outdated. In a dry run: would be.
    pub(crate) outdated: usize,
}

/// What a sweep found and did. The report of the last full sweep is kept in the bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct SweepReport {
    /// When it began.
    pub(crate) started_at: Option<Timestamp>,
    /// When it ended; `null` while it runs or if it failed.
    pub(crate) finished_at: Option<Timestamp>,
    /// The sweep looked only at keys that begin with this.
    pub(crate) prefix: Option<String>,
    /// Whether it only counted.
    pub(crate) dry_run: bool,
    /// Objects in the bucket that are watched.
    pub(crate) objects: usize,
    /// Other objects in the bucket, without our own: another suffix, or excluded.
    pub(crate) skipped: usize,
    /// Rows that watched objects have. This and the next five are sums over all stages.
    pub(crate) indexed: usize,
    /// Rows that watched objects lack.
    pub(crate) missing: usize,
    /// Of the missing: published now. In a dry run: would be published.
    pub(crate) published: usize,
    /// Of the missing: not published again, because their job is on its way, a dead letter, or
    /// withheld since a cancelled backfill.
    pub(crate) waiting: usize,
    /// Of the missing: left to a later sweep, so that a backfill does not delay the active model.
    pub(crate) postponed: usize,
    /// Of the indexed: published again because they are outdated. In a dry run: would be.
    pub(crate) outdated: usize,
    /// The same six for each model.
    pub(crate) models: BTreeMap<String, SweepCounts>,
    /// The same six for each captioner.
    pub(crate) captioners: BTreeMap<String, SweepCounts>,
    /// Of the published: uploaded since the last full sweep while an event door was open. Each
    /// stands for a lost event.
    pub(crate) missed_by_events: usize,
    /// Object versions whose rows were removed because the object is gone. In a dry run: would be
    /// removed.
    pub(crate) removed_gone: usize,
    /// Object versions whose rows were removed because the object has newer content. In a dry run:
    /// would be removed.
    pub(crate) removed_overwritten: usize,
    /// Object versions whose rows were kept although the objects are gone, because they were too
    /// many at once.
    pub(crate) refused: usize,
    /// Rows of keys that are no longer watched, or of foreign buckets. They are left alone.
    pub(crate) unwatched: usize,
    /// Object versions that have a row in `images` or a vector, but not both.
    pub(crate) orphans: usize,
    /// Duplicate rows. Maintenance removes them.
    pub(crate) spare_rows: usize,
    /// Duration of the listing, publishing included, in milliseconds.
    pub(crate) listing_ms: u64,
}

impl SweepReport {
    /// Whether both say the same, whenever they were made.
    pub(crate) fn equals_but_for_time(&self, other: &Self) -> bool {
        let timeless = |report: &Self| Self {
            started_at: None,
            finished_at: None,
            listing_ms: 0,
            ..report.clone()
        };
        timeless(self) == timeless(other)
    }

    /// Adds the counts of one page for one stage.
    pub(crate) fn add(&mut self, stage: &StageName, counts: &SweepCounts) {
        let SweepCounts { indexed, missing, published, waiting, postponed, outdated } = *counts;
        let of_kind = match stage.kind() {
            StageKind::Embed => &mut self.models,
            StageKind::Caption => &mut self.captioners,
        };
        let of_stage = of_kind.entry(stage.id().to_owned()).or_default();
        for (total, of_stage, more) in [
            (&mut self.indexed, &mut of_stage.indexed, indexed),
            (&mut self.missing, &mut of_stage.missing, missing),
            (&mut self.published, &mut of_stage.published, published),
            (&mut self.waiting, &mut of_stage.waiting, waiting),
            (&mut self.postponed, &mut of_stage.postponed, postponed),
            (&mut self.outdated, &mut of_stage.outdated, outdated),
        ] {
            *total += more;
            *of_stage += more;
        }
    }
}
