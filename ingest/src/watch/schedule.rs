//! When sweeps run: on a schedule, early when events may have been missed, and when an operator
//! asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pipeline::filter::KeyFilter;
use pipeline::switch;
use service::backoff::Backoff;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::dead::note_all_dead_letters;
use super::index::Index;
use super::report::{self, SweepReport, SweepRequest};
use super::stages::WatchedStages;
use super::sweep::Sweeper;
use crate::parts::IngestParts;

// A report that has not changed is written again after this time, for the times in it.
const WRITE_REPORT: Duration = Duration::from_secs(60);
// Pause before a listing that is due because events may have been missed.
const EARLY_LISTING: Duration = Duration::from_secs(1);
// When jobs on their way count as lost, by a broker's disk or an operator. On an idle system after
// longer than a worker may hold a job.
const IDLE_OVERDUE: Duration = Duration::from_secs(30 * 60);
// The same on a system that is never idle.
const BUSY_OVERDUE: Duration = Duration::from_secs(24 * 3600);

/// A sweep that an operator asked for.
pub(crate) struct QueuedSweep {
    pub(crate) request: SweepRequest,
    /// Gets the counts after every page.
    pub(crate) progress: watch::Sender<SweepReport>,
    /// Gets the report, or `None` if the sweep was cancelled.
    pub(crate) done: oneshot::Sender<anyhow::Result<Option<SweepReport>>>,
    pub(crate) cancel: CancellationToken,
}

/// Runs sweeps, one at a time.
pub(crate) struct SweepSchedule {
    parts: IngestParts,
    stages: WatchedStages,
    sweeper: Sweeper,
    written: Option<(SweepReport, Instant)>,
}

impl SweepSchedule {
    pub(crate) fn new(
        parts: &IngestParts,
        index: Index,
        stages: WatchedStages,
        filter: Arc<KeyFilter>,
    ) -> Self {
        let sweeper = Sweeper::new(parts, index, stages.clone(), filter);
        Self { parts: parts.clone(), stages, sweeper, written: None }
    }

    /// Sweeps again and again, at once when events may have been missed or an operator asks. A
    /// failed sweep removes nothing and is tried again. Runs until dropped.
    pub(crate) async fn run(
        mut self,
        mut queue: mpsc::Receiver<QueuedSweep>,
        listing_due: &Notify,
    ) {
        let interval = self.parts.settings.watch.poll_interval;
        let mut next = None;
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        loop {
            let mut pause = interval;
            match next.take() {
                Some(queued) => self.run_queued(queued).await,
                None if self.run_scheduled().await => backoff.reset(),
                // The interval may be hours.
                None => pause = pause.min(backoff.pause()),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = listing_due_soon(listing_due, interval) => {}
                Some(queued) = queue.recv() => next = Some(queued),
            }
        }
    }

    /// Returns whether the sweep succeeded.
    async fn run_scheduled(&mut self) -> bool {
        match self.sweep(&SweepRequest::default(), |_| {}).await {
            Ok(_) => {
                metrics::counter!("bucketlens_ingest_listings_total").increment(1);
                self.parts.health.ok("listing");
                true
            }
            Err(error) => {
                tracing::error!("bucket and tables could not be compared, trying again: {error:#}");
                self.parts.health.trouble("listing", format!("{error:#}"));
                false
            }
        }
    }

    async fn run_queued(&mut self, QueuedSweep { request, progress, done, cancel }: QueuedSweep) {
        let told = |report: &SweepReport| {
            progress.send_replace(report.clone());
        };
        self.sweeper.look_closely();
        let result = tokio::select! {
            result = self.sweep(&request, told) => result.map(Some),
            () = cancel.cancelled() => Ok(None),
        };
        let _ = done.send(result);
    }

    /// One sweep, with the steps before and after it. `progress` gets the counts after every page.
    pub(crate) async fn sweep(
        &mut self,
        request: &SweepRequest,
        progress: impl Fn(&SweepReport),
    ) -> anyhow::Result<SweepReport> {
        let switches = switch::read(&self.parts.state).await?;
        for stage in self.stages.iter() {
            let switch = switches.get(stage.name.as_str());
            if let Some(at) = switch.and_then(|switch| switch.cancelled_at) {
                stage.published.withhold(at);
            }
        }
        self.forget_overdue().await?;
        let report = self.sweeper.run(request, progress).await?;
        self.stages.show_counts();
        for stage in self.stages.iter() {
            stage.published.tidy_journal().await?;
        }
        if !report.dry_run && report.prefix.is_none() {
            self.keep(&report).await?;
        }
        Ok(report)
    }

    async fn forget_overdue(&self) -> anyhow::Result<()> {
        let idle = self.stages.idle_for(IDLE_OVERDUE);
        let limit = if idle { IDLE_OVERDUE } else { BUSY_OVERDUE };
        if self.stages.iter().any(|stage| stage.published.any_overdue(limit)) {
            note_all_dead_letters(&self.parts.settings.amqp, &self.stages).await?;
            let jobs: usize =
                self.stages.iter().map(|stage| stage.published.forget_overdue(limit)).sum();
            tracing::info!(jobs, "overdue jobs count as lost: missing rows get a new job");
        }
        Ok(())
    }

    /// Shows the counts of a full sweep, and keeps its report in the bucket.
    async fn keep(&mut self, report: &SweepReport) -> anyhow::Result<()> {
        metrics::gauge!("bucketlens_ingest_listed_objects").set(report.objects as f64);
        metrics::gauge!("bucketlens_ingest_reconcile_seconds")
            .set(report.listing_ms as f64 / 1000.0);
        metrics::gauge!("bucketlens_ingest_last_full_sweep_timestamp_seconds")
            .set(jiff::Timestamp::now().as_second() as f64);
        metrics::counter!("bucketlens_ingest_missed_by_events_total")
            .increment(report.missed_by_events as u64);
        metrics::gauge!("bucketlens_ingest_orphans").set(report.orphans as f64);
        metrics::gauge!("bucketlens_ingest_spare_rows").set(report.spare_rows as f64);
        let is_written = |(former, at): &(SweepReport, Instant)| {
            at.elapsed() < WRITE_REPORT && report.equals_but_for_time(former)
        };
        if self.written.as_ref().is_some_and(is_written) {
            return Ok(());
        }
        report::keep(&self.parts.state, report).await?;
        self.written = Some((report.clone(), Instant::now()));
        Ok(())
    }
}

/// Events may have been missed, so the next listing comes early. The pause bounds how often that
/// can happen.
async fn listing_due_soon(listing_due: &Notify, interval: Duration) {
    listing_due.notified().await;
    tokio::time::sleep(interval.min(EARLY_LISTING)).await;
}
