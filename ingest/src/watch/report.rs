//! What a sweep is asked to do, and what it found and did.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use pipeline::stage_kind::StageKind;
use pipeline::stage_name::StageName;
use serde::{Deserialize, Serialize};

use crate::Settings;

/// A full sweep takes its time, and one may be missed; beyond that and two of its intervals it is
/// late.
const TAKES: Duration = Duration::from_secs(3600);

/// Whether the last full sweep ended too long ago.
pub(crate) fn is_late(finished_at: Timestamp, settings: &Settings) -> bool {
    let late = settings.watch.poll_interval * 2 + TAKES;
    Timestamp::now().duration_since(finished_at).as_secs() > late.as_secs().cast_signed()
}

/// What a sweep is asked to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Request {
    /// Only objects whose key begins with this.
    pub(crate) prefix: Option<String>,
    /// Change nothing, only count.
    pub(crate) dry_run: bool,
    /// Remove rows even if they are more than the set share.
    pub(crate) allow_mass_delete: bool,
    /// Publish again what a cancelled backfill had left.
    pub(crate) release: bool,
    /// Publish again what its captioner would be asked differently today.
    pub(crate) outdated: bool,
    /// Publish for this stage only.
    pub(crate) stage: Option<String>,
}

/// What a sweep found and did for one stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Counts {
    /// Watched objects that have their row.
    pub(crate) indexed: usize,
    /// Watched objects without a row.
    pub(crate) missing: usize,
    /// Of the missing: published now (or would be, in a dry run).
    pub(crate) published: usize,
    /// Of the missing: on their way, among the dead letters or withheld since a cancelled backfill;
    /// not published again.
    pub(crate) waiting: usize,
    /// Of the missing: left to a later sweep, because the queues of the active model are not nearly
    /// empty or the model's own are full. Only of models that are not the active one, and of
    /// captioners.
    pub(crate) postponed: usize,
    /// Of the indexed: published again because they answer an earlier question (or would be).
    pub(crate) outdated: usize,
}

/// What a sweep found and did. Kept in the bucket after a full one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Report {
    /// When it began.
    pub(crate) started_at: Option<Timestamp>,
    /// When it ended; `None` while it runs or if it failed.
    pub(crate) finished_at: Option<Timestamp>,
    /// Only keys that begin with this were looked at.
    pub(crate) prefix: Option<String>,
    /// Whether it only counted.
    pub(crate) dry_run: bool,
    /// Objects in the bucket that are watched.
    pub(crate) objects: usize,
    /// Objects in the bucket that are not watched: other suffixes, excluded. Not our own.
    pub(crate) skipped: usize,
    /// Rows that watched objects have; of all stages together, as the next five.
    pub(crate) indexed: usize,
    /// Rows that watched objects lack.
    pub(crate) missing: usize,
    /// Of the missing: published now (or would be, in a dry run).
    pub(crate) published: usize,
    /// Of the missing: on their way, among the dead letters or withheld since a cancelled backfill;
    /// not published again.
    pub(crate) waiting: usize,
    /// Of the missing: left to a later sweep, so that backfilling one model does not hold up the
    /// active one.
    pub(crate) postponed: usize,
    /// Of the indexed: published again because they answer an earlier question (or would be).
    pub(crate) outdated: usize,
    /// The same six for each model.
    pub(crate) models: BTreeMap<String, Counts>,
    /// And for each captioner.
    pub(crate) captioners: BTreeMap<String, Counts>,
    /// Of the published: uploaded since the last full sweep while an event door was open. Each is a
    /// lost event.
    pub(crate) missed_by_events: usize,
    /// Object versions whose rows were removed because the object is gone (or would be).
    pub(crate) removed_gone: usize,
    /// Object versions whose rows were removed because the object has other content by now (or
    /// would be).
    pub(crate) removed_overwritten: usize,
    /// Object versions whose rows were kept although the objects are gone, because they are too
    /// many at once.
    pub(crate) refused: usize,
    /// Rows of unwatched keys or foreign buckets: left alone.
    pub(crate) unwatched: usize,
    /// Object versions that have only one of image row and vector.
    pub(crate) orphans: usize,
    /// Rows that are there a second time; maintenance removes them.
    pub(crate) spare_rows: usize,
    /// Time the listing took, publishing included.
    pub(crate) listing_ms: u64,
}

impl Report {
    /// Adds what was found on one page for one stage.
    pub(crate) fn add(&mut self, stage: &StageName, counts: &Counts) {
        let Counts { indexed, missing, published, waiting, postponed, outdated } = *counts;
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
