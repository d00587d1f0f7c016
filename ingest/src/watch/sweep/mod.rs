//! A sweep compares a listing of the bucket with the tables, publishes jobs for missing rows and
//! removes the rows of objects that are gone. The bucket is the truth; the comparison needs neither
//! events nor a memory.
//!
//! Memory per object: 16 bytes for each table that has a row of it ([`Ids`](super::ids::Ids)), and
//! for each stage that lacks it 33 bytes per slot of the hash table of outstanding jobs. With one
//! model, ten million objects take 330 to 560 MiB.

mod publish;
mod remove;
mod snapshot;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use jiff::Timestamp;
use pipeline::bucket::{Bucket, Page};
use pipeline::caption_prompt;
use pipeline::filter::KeyFilter;
use pipeline::state::StateStore;
use pipeline::{ImageId, ObjectRef};

use self::publish::StageSwitches;
use self::snapshot::{Snapshot, SweptStage};
use super::index::Index;
use super::report::{SweepReport, SweepRequest};
use super::stages::WatchedStages;
use super::watched_table::outdated_captions;
use crate::parts::IngestParts;
use crate::settings::Settings;

/// Sweeps the bucket, and keeps what one sweep leaves for the next.
pub(super) struct Sweeper {
    settings: Arc<Settings>,
    bucket: Bucket,
    state: StateStore,
    filter: Arc<KeyFilter>,
    index: Index,
    stages: WatchedStages,
    snapshot: Snapshot,
    switches: StageSwitches,
    // Indexed objects that a changed filter no longer matches. They are left alone, and the store
    // is not asked for them again.
    unwatched: HashSet<ImageId>,
    // When the last full sweep of this process began.
    last_full: Option<Timestamp>,
}

impl Sweeper {
    pub(super) fn new(
        parts: &IngestParts,
        index: Index,
        stages: WatchedStages,
        filter: Arc<KeyFilter>,
    ) -> Self {
        Self {
            settings: Arc::clone(&parts.settings),
            bucket: parts.bucket.clone(),
            state: parts.state.clone(),
            filter,
            snapshot: Snapshot::new(&index, &stages),
            switches: StageSwitches::new(parts.state.clone()),
            index,
            stages,
            unwatched: HashSet::new(),
            last_full: None,
        }
    }

    /// The next sweep reads changed tables at once, because somebody waits for its result.
    pub(super) fn look_closely(&mut self) {
        self.snapshot.expire();
    }

    /// One sweep. An error ends it before anything is removed; published jobs stay published.
    /// `progress` gets the counts so far after every page.
    pub(super) async fn run(
        &mut self,
        request: &SweepRequest,
        progress: impl Fn(&SweepReport),
    ) -> anyhow::Result<SweepReport> {
        let prefix = self.prefix_of(request)?;
        let full = prefix == self.settings.filter.prefix;
        let only = (!full).then_some(prefix.as_str());
        if request.release && !request.dry_run {
            self.release(request);
        }
        let mut report = SweepReport {
            started_at: Some(Timestamp::now()),
            prefix: only.map(str::to_owned),
            dry_run: request.dry_run,
            ..SweepReport::default()
        };
        // Tables before listing: an object that is indexed in between is then listed too and never
        // taken for gone.
        self.snapshot.refresh(only).await.context("reading the tables")?;
        self.find_outdated(request).await?;
        for ids in self.snapshot.all_ids_mut() {
            ids.begin();
            ids.dismiss(self.unwatched.iter());
        }
        for SweptStage { stage, rows, .. } in &self.snapshot.stages {
            stage.published.forget_arrived(|id| rows.ids.contains(id));
            stage.published.begin_listing();
        }
        self.list(&prefix, &mut report, request, &progress).await?;
        for SweptStage { stage, outdated, .. } in &mut self.snapshot.stages {
            outdated.clear();
            if full {
                stage.published.forget_unlisted();
            }
        }
        self.remove(&mut report, request).await?;
        report.orphans = self.snapshot.orphans(&self.stages.active())?;
        report.spare_rows = self.snapshot.spare_rows();
        if full && !request.dry_run {
            self.last_full = report.started_at;
        }
        report.finished_at = Some(Timestamp::now());
        Ok(report)
    }

    fn release(&self, request: &SweepRequest) {
        let concerned = self.stages.iter().filter(|stage| request.concerns(&stage.name));
        let jobs: usize = concerned.map(|stage| stage.published.release()).sum();
        tracing::info!(jobs, "the rest of a cancelled backfill is published again");
    }

    /// Finds the object versions that are published again although their rows exist.
    async fn find_outdated(&mut self, request: &SweepRequest) -> anyhow::Result<()> {
        for swept in &mut self.snapshot.stages {
            swept.outdated.clear();
            let name = &swept.stage.name;
            if !request.outdated || !name.kind().can_be_outdated() || !request.concerns(name) {
                continue;
            }
            let captioner = name.id();
            let prompt = caption_prompt::read(&self.state, captioner).await?;
            let prompt = prompt.with_context(|| {
                format!(
                    "what the captioner '{captioner}' asks for is not known: start one with \
                     captions.id = \"{captioner}\""
                )
            })?;
            swept.outdated = outdated_captions(self.index.database(), captioner, &prompt)
                .await
                .context("looking for outdated captions")?;
        }
        Ok(())
    }

    /// The prefix to list: the requested one, if it lies within `filter.prefix`.
    fn prefix_of(&self, request: &SweepRequest) -> anyhow::Result<String> {
        let watched = &self.settings.filter.prefix;
        match &request.prefix {
            None => Ok(watched.clone()),
            Some(prefix) if prefix.starts_with(watched) => Ok(prefix.clone()),
            Some(prefix) => anyhow::bail!(
                "the prefix '{prefix}' lies outside of filter.prefix '{watched}': nothing there is \
                 watched"
            ),
        }
    }

    /// Lists the bucket and publishes jobs for objects without a row.
    async fn list(
        &mut self,
        prefix: &str,
        report: &mut SweepReport,
        request: &SweepRequest,
        progress: &impl Fn(&SweepReport),
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut token = None;
        loop {
            let Page { objects, next } = self.bucket.list_page(prefix, token).await?;
            let watched = self.watched(objects, report);
            self.page(watched, report, request).await?;
            report.listing_ms = begun.elapsed().as_millis() as u64;
            progress(report);
            token = next;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    /// The watched objects among these; counts the others, except our own.
    fn watched(&self, objects: Vec<ObjectRef>, report: &mut SweepReport) -> Vec<ObjectRef> {
        let (mut watched, mut skipped) = (Vec::with_capacity(objects.len()), 0);
        for object in objects.into_iter().filter(|object| !self.filter.is_own(&object.key)) {
            if self.filter.matches(&object.key) {
                watched.push(object);
            } else {
                skipped += 1;
            }
        }
        report.objects += watched.len();
        report.skipped += skipped;
        watched
    }
}
