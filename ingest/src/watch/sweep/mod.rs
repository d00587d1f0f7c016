//! Listing × tables: publish what is missing, remove what is gone. The bucket is the truth; this
//! comparison needs no event and no memory to arrive at it.
//!
//! Memory per object: 16 bytes for each table that holds it ([`Ids`]), and for each stage that
//! lacks it 33 bytes per slot of the hash table of what is on its way; with one model ten million
//! objects take some 330 to 560 MiB.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use pipeline::bucket::{Bucket, Page};
use pipeline::caption_prompt;
use pipeline::filter::KeyFilter;
use pipeline::job::{Origin, Redo};
use pipeline::stage_kind::StageKind;
use pipeline::stage_name::StageName;
use pipeline::state::StateStore;
use pipeline::switch::{self, StageState};
use pipeline::{ImageId, ObjectRef};

use crate::governor::Governor;
use crate::ids::Ids;
use crate::index::{Index, Snapshot};
use crate::removal::{self, Fates};
use crate::report::{Counts, Report, Request};
use crate::served::{Served, ServedStages};

// Two windows of the publisher: one gathers while the other is being confirmed.
const PUBLISHES_IN_FLIGHT: usize = 512;

const LOOK_AT_SWITCH: Duration = Duration::from_secs(1);

/// What a sweep works with, and what it keeps from one to the next.
pub(crate) struct Sweeper {
    pub(crate) bucket: Bucket,
    pub(crate) index: Index,
    pub(crate) filter: Arc<KeyFilter>,
    pub(crate) stages: ServedStages,
    pub(crate) governor: Governor,
    /// Prefix of everything watched.
    pub(crate) prefix: String,
    pub(crate) max_delete_share: f64,
    /// Whether any event door is open.
    pub(crate) events_expected: bool,
    /// Where the operator's decisions stand.
    pub(crate) state: StateStore,
    memory: Memory,
}

#[derive(Default)]
struct Memory {
    snapshot: Snapshot,
    // Indexed, but no longer watched since the filter was changed: left alone, and not asked for
    // again.
    unwatched: HashSet<ImageId>,
    // Captions that answer an earlier question, by the place of their stage, while a sweep
    // publishes them again.
    outdated: Vec<HashSet<ImageId>>,
    // When the last full sweep of this process began.
    last_full: Option<Timestamp>,
    // What operators have decided about stages, and when that was last looked up.
    switches: BTreeMap<String, StageState>,
    looked_at_switches: Option<Instant>,
}

/// One stage's share of a page.
#[derive(Default)]
struct Share {
    missing: Vec<ObjectRef>,
    outdated: Vec<ObjectRef>,
    counts: Counts,
}

/// Whether a sweep that was asked for publishes for this stage.
fn asked(request: &Request, served: &Served) -> bool {
    request.stage.as_ref().is_none_or(|stage| stage == served.stage.as_str())
}

impl Sweeper {
    #[allow(
        clippy::too_many_arguments,
        reason = "each is one collaborator, named where it is given"
    )]
    pub(crate) fn new(
        bucket: Bucket,
        index: Index,
        filter: Arc<KeyFilter>,
        stages: ServedStages,
        governor: Governor,
        prefix: String,
        max_delete_share: f64,
        events_expected: bool,
        state: StateStore,
    ) -> Self {
        Self {
            bucket,
            index,
            filter,
            stages,
            governor,
            prefix,
            max_delete_share,
            events_expected,
            state,
            memory: Memory::default(),
        }
    }

    /// The next comparison reads tables that have changed at once: who asks for one means what is
    /// there now.
    pub(crate) fn look_closely(&mut self) {
        self.memory.snapshot.expire();
    }

    /// One comparison. An error anywhere ends it before anything is removed; what was published
    /// stays published. `progress` is told the counts so far after every page.
    pub(crate) async fn run(
        &mut self,
        request: &Request,
        progress: impl Fn(&Report),
    ) -> anyhow::Result<Report> {
        let prefix = self.prefix_of(request)?;
        let full = prefix == self.prefix;
        let only = (!full).then_some(prefix.as_str());
        if request.release && !request.dry_run {
            let released: usize = self
                .stages
                .iter()
                .filter(|(_, served)| asked(request, served))
                .map(|(_, s)| s.published.release())
                .sum();
            tracing::info!(
                jobs = released,
                "what a cancelled backfill had left is published again"
            );
        }
        let mut report = Report {
            started_at: Some(Timestamp::now()),
            prefix: only.map(str::to_owned),
            dry_run: request.dry_run,
            ..Report::default()
        };
        // Tables before listing: whatever is indexed in between is then listed too, never taken for
        // gone.
        self.index.refresh(&mut self.memory.snapshot, only).await.context("reading the tables")?;
        self.memory.outdated = self.outdated(request).await?;
        let Memory { snapshot, unwatched, .. } = &mut self.memory;
        for ids in snapshot.all_mut() {
            ids.begin();
            ids.dismiss(unwatched.iter());
        }
        let mut begun = Vec::new();
        for (place, served) in self.stages.iter() {
            served.published.arrived(|id| snapshot.stages[place].contains(id));
            begun.push(served.published.begin_listing());
        }
        self.list(&prefix, &mut report, request, &progress).await?;
        self.memory.outdated.clear();
        if full {
            for ((_, served), begun) in self.stages.iter().zip(begun) {
                served.published.forget_unlisted(begun);
            }
        }
        self.remove(&mut report, request).await?;
        let Memory { snapshot, .. } = &self.memory;
        // Another model than the active one may still be on its way to the first of them.
        report.orphans = snapshot.images.not_in(&snapshot.stages[self.stages.active()]);
        // Captioners do not write to `images`, so theirs may be there before it.
        let of_models =
            self.stages.iter().filter(|(_, served)| served.stage.kind() == StageKind::Embed);
        report.orphans += of_models
            .map(|(place, _)| snapshot.stages[place].not_in(&snapshot.images))
            .sum::<usize>();
        report.spare_rows =
            snapshot.images.spare() + snapshot.stages.iter().map(Ids::spare).sum::<usize>();
        if full && !request.dry_run {
            self.memory.last_full = report.started_at;
        }
        report.finished_at = Some(Timestamp::now());
        Ok(report)
    }

    /// For each stage the object versions that are to be published again although their rows are
    /// there.
    async fn outdated(&self, request: &Request) -> anyhow::Result<Vec<HashSet<ImageId>>> {
        let mut all = Vec::new();
        for (_, served) in self.stages.iter() {
            let mut outdated = HashSet::new();
            if request.outdated
                && served.stage.kind() == StageKind::Caption
                && asked(request, served)
            {
                let captioner = served.stage.id();
                let question = caption_prompt::read(&self.state, captioner).await?;
                let question = question.with_context(|| {
                    format!(
                        "what the captioner '{captioner}' asks for is not known: start one with captions.id = \"{captioner}\""
                    )
                })?;
                outdated = self
                    .index
                    .outdated(captioner, &question)
                    .await
                    .context("looking for outdated captions")?;
            }
            all.push(outdated);
        }
        Ok(all)
    }

    /// The prefix to list: the asked one, if it lies within what is watched.
    fn prefix_of(&self, request: &Request) -> anyhow::Result<String> {
        match &request.prefix {
            None => Ok(self.prefix.clone()),
            Some(prefix) if prefix.starts_with(&self.prefix) => Ok(prefix.clone()),
            Some(prefix) => {
                anyhow::bail!(
                    "the prefix '{prefix}' lies outside of filter.prefix '{}': nothing there is watched",
                    self.prefix
                )
            }
        }
    }

    /// Lists the bucket and publishes what lacks a row.
    async fn list(
        &mut self,
        prefix: &str,
        report: &mut Report,
        request: &Request,
        progress: &impl Fn(&Report),
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut token = None;
        loop {
            let Page { objects, next } = self.bucket.list_page(prefix, token).await?;
            let foreign: Vec<_> =
                objects.into_iter().filter(|object| !self.filter.is_own(&object.key)).collect();
            let listed = foreign.len();
            let watched: Vec<_> =
                foreign.into_iter().filter(|object| self.filter.matches(&object.key)).collect();
            report.skipped += listed - watched.len();
            self.page(watched, report, request).await?;
            report.listing_ms = begun.elapsed().as_millis() as u64;
            progress(report);
            token = next;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    async fn page(
        &mut self,
        watched: Vec<ObjectRef>,
        report: &mut Report,
        request: &Request,
    ) -> anyhow::Result<()> {
        let shares = self.share(watched, report, request);
        // What lies there at the first look, or is asked for, is a backfill and must not hold up
        // what people upload now.
        let backfill = self.memory.last_full.is_none() || request.release;
        let (stages, active) = (self.stages.clone(), self.stages.active());
        for ((place, served), Share { missing, outdated, mut counts }) in stages.iter().zip(shares)
        {
            if !outdated.is_empty() {
                self.publish_again(
                    place,
                    served,
                    outdated,
                    request.dry_run,
                    &mut counts,
                    report.started_at,
                )
                .await?;
            }
            if request.dry_run {
                counts.published += missing.len();
            } else if place == active {
                self.governor.wait(place).await;
                let origin = if backfill { Origin::Sweep } else { Origin::Watch };
                self.publish(served, missing, origin, &mut counts, report.started_at).await?;
            } else if missing.is_empty() || self.governor.spare_time(place, active) {
                self.publish(served, missing, Origin::Sweep, &mut counts, report.started_at)
                    .await?;
            } else {
                counts.postponed += missing.len();
            }
            report.add(&served.stage, &counts);
        }
        Ok(())
    }

    /// Notes the objects as seen, and says for each stage what it lacks and nobody is working on.
    fn share(
        &mut self,
        watched: Vec<ObjectRef>,
        report: &mut Report,
        request: &Request,
    ) -> Vec<Share> {
        let Memory { snapshot, outdated, last_full, .. } = &mut self.memory;
        let ids: Vec<_> = watched.iter().map(ObjectRef::image_id).collect();
        report.objects += watched.len();
        for id in &ids {
            snapshot.images.see(id);
        }
        let mut shares = Vec::new();
        for (place, served) in self.stages.iter() {
            let mut share = Share::default();
            served.published.listed(ids.iter());
            for (object, id) in watched.iter().zip(&ids) {
                if snapshot.stages[place].see(id) {
                    share.counts.indexed += 1;
                    if outdated.get(place).is_some_and(|outdated| outdated.contains(id)) {
                        share.outdated.push(object.clone());
                    }
                    continue;
                }
                share.counts.missing += 1;
                if served.published.holds(id) {
                    share.counts.waiting += 1;
                } else if asked(request, served) {
                    share.missing.push(object.clone());
                }
            }
            if self.events_expected
                && place == self.stages.active()
                && let Some(last) = last_full
            {
                let late = |object: &&ObjectRef| object.last_modified.is_some_and(|at| at > *last);
                report.missed_by_events += share.missing.iter().filter(late).count();
            }
            shares.push(share);
        }
        shares
    }

    async fn publish(
        &mut self,
        served: &Served,
        missing: Vec<ObjectRef>,
        origin: Origin,
        counts: &mut Counts,
        began: Option<Timestamp>,
    ) -> anyhow::Result<()> {
        if missing.is_empty() {
            return Ok(());
        }
        if origin == Origin::Sweep && self.cancelled_since(&served.stage, began).await? {
            counts.waiting += missing.len();
            served.published.withhold_these(missing.iter().map(ObjectRef::image_id));
            return Ok(());
        }
        let publishing =
            stream::iter(missing).map(|object| served.published.publish(object, origin));
        let count = publishing
            .buffer_unordered(PUBLISHES_IN_FLIGHT)
            .try_fold(0, |count, new| std::future::ready(Ok(count + usize::from(new))))
            .await?;
        counts.published += count;
        if count > 0 {
            tracing::info!(jobs = count, stage = %served.stage, origin = origin.as_str(), "published");
        }
        Ok(())
    }

    /// Publishes what is to be done again. Not remembered as on its way: published twice it is done
    /// once.
    async fn publish_again(
        &mut self,
        place: usize,
        served: &Served,
        outdated: Vec<ObjectRef>,
        dry_run: bool,
        counts: &mut Counts,
        began: Option<Timestamp>,
    ) -> anyhow::Result<()> {
        let count = outdated.len();
        if !dry_run {
            self.governor.wait(place).await;
            if self.cancelled_since(&served.stage, began).await? {
                return Ok(());
            }
            let publishing = stream::iter(outdated)
                .map(|object| served.published.publish_again(object, Redo::Outdated));
            publishing.buffer_unordered(PUBLISHES_IN_FLIGHT).try_collect::<()>().await?;
            tracing::info!(jobs = count, stage = %served.stage, "published again what is outdated");
        }
        counts.outdated += count;
        Ok(())
    }

    /// Whether the operator has cancelled the backfill of a stage since it began.
    async fn cancelled_since(
        &mut self,
        stage: &StageName,
        began: Option<Timestamp>,
    ) -> anyhow::Result<bool> {
        if self.memory.looked_at_switches.is_none_or(|at| at.elapsed() > LOOK_AT_SWITCH) {
            self.memory.switches = switch::read(&self.state).await?;
            self.memory.looked_at_switches = Some(Instant::now());
        }
        Ok(self.memory.switches.get(stage.as_str()).and_then(|stage| stage.cancelled_at) > began)
    }

    /// Removes the rows of what is really gone or overwritten: a listing only raises the suspicion,
    /// a HEAD decides.
    async fn remove(&mut self, report: &mut Report, request: &Request) -> anyhow::Result<()> {
        let active = self.stages.active();
        let Memory { snapshot, unwatched, .. } = &mut self.memory;
        let lost = snapshot.unseen();
        if lost.is_empty() {
            return Ok(());
        }
        let Fates { gone, overwritten, unwatched: left_alone } = removal::ask(
            &self.bucket,
            &self.index,
            &self.filter,
            &snapshot.stages[active],
            &lost,
            report.objects == 0,
        )
        .await?;
        report.unwatched = left_alone.len();
        for ids in snapshot.all_mut() {
            ids.dismiss(&left_alone);
        }
        unwatched.extend(left_alone);
        let refused = !request.allow_mass_delete
            && removal::too_many(gone.len(), snapshot.len(), self.max_delete_share);
        let mut removed = overwritten;
        report.removed_overwritten = removed.len();
        if refused {
            report.refused = gone.len();
        } else {
            report.removed_gone = gone.len();
            removed.extend(gone);
        }
        if !request.dry_run {
            self.index
                .remove(&removed)
                .await
                .context("removing rows of objects that are gone or overwritten")?;
            for ids in snapshot.all_mut() {
                ids.dismiss(&removed);
            }
            for (_, served) in self.stages.iter() {
                served.published.forget(&removed);
            }
            if !removed.is_empty() {
                metrics::counter!("bucketlens_ingest_removed_total")
                    .increment(removed.len() as u64);
                tracing::info!(
                    objects = removed.len(),
                    "removed rows of objects that are gone or overwritten"
                );
            }
        }
        if refused && !request.dry_run {
            anyhow::bail!(
                "{} of {} indexed objects are gone from bucket '{}' or have other content, more than watch.max_delete_share = {}: their \
                 rows are kept. If that is on purpose, run `ingest sweep --allow-mass-delete`",
                report.refused,
                snapshot.len(),
                self.bucket.name(),
                self.max_delete_share
            );
        }
        Ok(())
    }
}
