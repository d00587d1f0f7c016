//! Publishing for one page of a listing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use pipeline::job::{Origin, Redo};
use pipeline::stage_name::StageName;
use pipeline::state::{StateError, StateStore};
use pipeline::switch::{self, StageState};
use pipeline::{ImageId, ObjectRef};

use super::Sweeper;
use super::snapshot::SweptStage;
use crate::watch::report::{SweepCounts, SweepReport, SweepRequest};
use crate::watch::stages::WatchedStage;

// Two windows of the publisher: one gathers while the other is being confirmed.
const PUBLISHES_IN_FLIGHT: usize = 512;
const LOOK_AT_SWITCHES: Duration = Duration::from_secs(1);

/// One stage's share of a page.
#[derive(Default)]
struct StageShare {
    missing: Vec<ObjectRef>,
    outdated: Vec<ObjectRef>,
    counts: SweepCounts,
}

impl StageShare {
    /// How many of the missing objects were uploaded after this moment.
    fn newer_than(&self, moment: Timestamp) -> usize {
        let newer = |object: &&ObjectRef| object.last_modified.is_some_and(|at| at > moment);
        self.missing.iter().filter(newer).count()
    }
}

/// The listed objects of one page.
struct ListedPage {
    objects: Vec<ObjectRef>,
    ids: Vec<ImageId>,
}

/// Operators' decisions about stages, read at most once a second.
pub(super) struct StageSwitches {
    state: StateStore,
    known: BTreeMap<String, StageState>,
    read_at: Option<Instant>,
}

impl StageSwitches {
    pub(super) fn new(state: StateStore) -> Self {
        Self { state, known: BTreeMap::new(), read_at: None }
    }

    /// Whether an operator has cancelled the backfill of a stage since this moment.
    async fn cancelled_since(
        &mut self,
        stage: &StageName,
        moment: Option<Timestamp>,
    ) -> Result<bool, StateError> {
        if self.read_at.is_none_or(|at| at.elapsed() > LOOK_AT_SWITCHES) {
            self.known = switch::read(&self.state).await?;
            self.read_at = Some(Instant::now());
        }
        Ok(self.known.get(stage.as_str()).and_then(|stage| stage.cancelled_at) > moment)
    }
}

impl Sweeper {
    /// Publishes for each stage what it lacks of these objects.
    pub(super) async fn page(
        &mut self,
        objects: Vec<ObjectRef>,
        report: &mut SweepReport,
        request: &SweepRequest,
    ) -> anyhow::Result<()> {
        let page = ListedPage { ids: objects.iter().map(ObjectRef::image_id).collect(), objects };
        for id in &page.ids {
            self.snapshot.images.ids.see(id);
        }
        let active = self.stages.active();
        // Where no event door is open, no event is missed.
        let events_since = self.last_full.filter(|_| self.settings.events.any_open());
        let mut shares = Vec::new();
        for swept in &mut self.snapshot.stages {
            let share = share_of(swept, &page, request);
            if swept.stage.name == active {
                report.missed_by_events += events_since.map_or(0, |since| share.newer_than(since));
            }
            shares.push((swept.stage.clone(), share));
        }
        for (stage, share) in shares {
            let counts = self.publish_share(&stage, share, report.started_at, request).await?;
            report.add(&stage.name, &counts);
        }
        Ok(())
    }

    async fn publish_share(
        &mut self,
        stage: &WatchedStage,
        StageShare { missing, outdated, mut counts }: StageShare,
        began: Option<Timestamp>,
        request: &SweepRequest,
    ) -> anyhow::Result<SweepCounts> {
        if request.dry_run {
            counts.outdated += outdated.len();
            counts.published += missing.len();
            return Ok(counts);
        }
        if !outdated.is_empty() {
            counts.outdated += self.publish_again(stage, outdated, began).await?;
        }
        let active = self.stages.active();
        let is_calm = |other: &WatchedStage| other.name == active && other.queues.are_calm();
        let spare_time = stage.queues.have_room() && self.stages.iter().any(is_calm);
        // The first listing and a released backfill must not delay new uploads.
        let backfill = self.last_full.is_none() || request.release;
        if stage.name == active {
            stage.queues.wait_for_room().await;
            let origin = if backfill { Origin::Sweep } else { Origin::Watch };
            self.publish(stage, missing, origin, began, &mut counts).await?;
        } else if spare_time {
            self.publish(stage, missing, Origin::Sweep, began, &mut counts).await?;
        } else {
            counts.postponed += missing.len();
        }
        Ok(counts)
    }

    async fn publish(
        &mut self,
        stage: &WatchedStage,
        missing: Vec<ObjectRef>,
        origin: Origin,
        began: Option<Timestamp>,
        counts: &mut SweepCounts,
    ) -> anyhow::Result<()> {
        if missing.is_empty() {
            return Ok(());
        }
        if origin == Origin::Sweep && self.switches.cancelled_since(&stage.name, began).await? {
            counts.waiting += missing.len();
            stage.published.withhold_unpublished(missing.iter().map(ObjectRef::image_id));
            return Ok(());
        }
        let publishing =
            stream::iter(missing).map(|object| stage.published.publish(object, origin));
        let count = publishing
            .buffer_unordered(PUBLISHES_IN_FLIGHT)
            .try_fold(0, |count, new| std::future::ready(Ok(count + usize::from(new))))
            .await?;
        counts.published += count;
        if count > 0 {
            tracing::info!(
                jobs = count, stage = %stage.name, origin = origin.as_str(), "published"
            );
        }
        Ok(())
    }

    /// Publishes jobs that do existing rows again; returns how many. They are not remembered as on
    /// their way: a job that is published twice is done once.
    async fn publish_again(
        &mut self,
        stage: &WatchedStage,
        outdated: Vec<ObjectRef>,
        began: Option<Timestamp>,
    ) -> anyhow::Result<usize> {
        let count = outdated.len();
        stage.queues.wait_for_room().await;
        if self.switches.cancelled_since(&stage.name, began).await? {
            return Ok(0);
        }
        let publishing = stream::iter(outdated)
            .map(|object| stage.published.publish_again(object, Redo::Outdated));
        publishing.buffer_unordered(PUBLISHES_IN_FLIGHT).try_collect::<()>().await?;
        tracing::info!(jobs = count, stage = %stage.name, "published outdated rows again");
        Ok(count)
    }
}

/// Marks the objects of a page as seen, and sorts them into those with and without a row.
fn share_of(swept: &mut SweptStage, page: &ListedPage, request: &SweepRequest) -> StageShare {
    let SweptStage { stage, rows, outdated } = swept;
    let mut share = StageShare::default();
    stage.published.note_listed(page.ids.iter());
    for (object, id) in page.objects.iter().zip(&page.ids) {
        if rows.ids.see(id) {
            share.counts.indexed += 1;
            if outdated.contains(id) {
                share.outdated.push(object.clone());
            }
            continue;
        }
        share.counts.missing += 1;
        if stage.published.holds(id) {
            share.counts.waiting += 1;
        } else if request.concerns(&stage.name) {
            share.missing.push(object.clone());
        }
    }
    share
}
