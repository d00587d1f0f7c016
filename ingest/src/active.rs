//! What the one active ingest does: watches by listing and by events, publishes, removes, and keeps
//! the tables in order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use pipeline::bucket::{Bucket, Only};
use pipeline::filter::KeyFilter;
use pipeline::models::Models;
use pipeline::publish::Publisher;
use pipeline::stage_kind::StageKind;
use pipeline::stage_name::StageName;
use pipeline::state::StateStore;
use pipeline::switch;
use pipeline::topology::Topology;
use service::backoff::Backoff;
use service::health::Health;
use table::Database;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::dead_upkeep::{self, DeadUpkeep};
use crate::governor::Governor;
use crate::index::Index;
use crate::journal::Journal;
use crate::published::Published;
use crate::report::{Report, Request};
use crate::served::{self, Decided, Served, ServedStages};
use crate::settings::Settings;
use crate::sweep::Sweeper;
use crate::upkeep::Upkeep;
use crate::{events, ops, retire};

/// Name of the state object with the report of the last full sweep.
pub(crate) const SWEEP_STATE: &str = "sweep";
// A report that says the same as the last one is written again after this time, for the age it
// carries.
const REPORT_OFTEN: Duration = Duration::from_secs(60);
// Pause before a listing that is due because events may have been missed.
const EARLY_LISTING: Duration = Duration::from_secs(1);
// Jobs that should have ended: nothing waits in any queue for this long, so a message must have
// been lost (a broker's disk) or dropped by the operator. Longer than a worker may hold a job.
const IDLE_OVERDUE: Duration = Duration::from_secs(30 * 60);
// The same on a system that is never idle.
const BUSY_OVERDUE: Duration = Duration::from_secs(24 * 3600);

/// A sweep that somebody asked for.
pub(crate) struct Asked {
    pub(crate) request: Request,
    /// Told the counts after every page.
    pub(crate) progress: watch::Sender<Report>,
    /// Gets `None` when it was cancelled.
    pub(crate) done: oneshot::Sender<anyhow::Result<Option<Report>>>,
    pub(crate) cancel: CancellationToken,
}

/// What an ingest is made of before it is known whether it is the active one.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) settings: Arc<Settings>,
    pub(crate) bucket: Bucket,
    pub(crate) database: Database,
    pub(crate) state: StateStore,
    pub(crate) health: Health,
}

/// Why an active ingest ended that did not fail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Stopped,
    /// It works for other models from now on.
    Changed,
}

/// The collaborators of an active ingest; built anew each time it becomes active.
pub(crate) struct Active {
    parts: Parts,
    pub(crate) index: Index,
    publisher: Publisher,
    stages: ServedStages,
    decided: Decided,
    governor: Governor,
    dead: DeadUpkeep,
    sweeper: Sweeper,
    written: Option<(Report, Instant)>,
}

impl Active {
    /// For the set models without those that are being removed by now.
    pub(crate) fn new(parts: Parts, decided: Decided) -> anyhow::Result<Self> {
        let Parts { settings, bucket, state, health, .. } = parts.clone();
        let stages =
            served::stages(&settings.stages, &decided.borrow().clone().unwrap_or_default());
        anyhow::ensure!(
            stages.iter().any(|stage| stage.kind() == StageKind::Embed),
            "every model of stages.models is being removed: keep one with `ingest models keep ID`"
        );
        let name = format!("ingest {}", std::process::id());
        let publisher = Publisher::start(settings.amqp.clone(), name, stages.clone(), health);
        let topology = Topology::new(&settings.amqp.namespace);
        let serve = |stage: &StageName| {
            let journal = Journal::new(state.clone(), stage);
            let published =
                Published::new(publisher.clone(), topology.clone(), stage.clone(), journal);
            Served { stage: stage.clone(), published }
        };
        let served = ServedStages::new(stages.iter().map(serve).collect(), decided.clone());
        let index = Index::new(parts.database.clone(), &stages);
        let governor =
            Governor::start(settings.amqp.clone(), settings.backpressure.clone(), stages);
        let sweeper = Sweeper::new(
            bucket,
            index.clone(),
            Arc::new(KeyFilter::new(&settings.filter, &settings.bucket.own_prefix)?),
            served.clone(),
            governor.clone(),
            settings.filter.prefix.clone(),
            settings.watch.max_delete_share,
            settings.events.any_open(),
            state.clone(),
        );
        let dead = DeadUpkeep::new(settings.amqp.clone(), served.clone(), index.clone());
        Ok(Self {
            parts,
            index,
            publisher,
            stages: served,
            decided,
            governor,
            dead,
            sweeper,
            written: None,
        })
    }

    /// Takes up what the one before left: what is on its way, and what lies among the dead letters.
    /// Those lack a row for ever but have had their job: without this every restart would publish
    /// them again, and each would die once more.
    pub(crate) async fn take_up(&self) -> anyhow::Result<()> {
        for (_, served) in self.stages.iter() {
            let recalled = served.published.recall().await?;
            tracing::info!(stage = %served.stage, jobs = recalled, "took up what was on its way");
        }
        self.dead.look().await
    }

    /// The same as soon as the store and the broker can be asked.
    async fn take_up_in_the_end(&self) {
        let mut backoff = Backoff::default();
        loop {
            match self.take_up().await {
                Ok(()) => return,
                Err(error) => {
                    self.parts.health.trouble("listing", format!("{error:#}"));
                    tracing::warn!("what was on its way cannot be read, trying again: {error:#}");
                }
            }
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    /// Acts until shutdown, or until there are other models to work for. May be dropped at any
    /// moment: the next one takes up from the bucket, the queues and the tables.
    pub(crate) async fn run(
        mut self,
        front: &watch::Sender<Option<Router>>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Ended> {
        let settings = Arc::clone(&self.parts.settings);
        let (asking, mut asked) = mpsc::channel(4);
        let listing_due = Arc::new(Notify::new());
        let upkeep = self.upkeep();
        let door = self.door(&settings)?;
        let stop = shutdown.child_token();
        let _ends_with_us = stop.clone().drop_guard();
        let mut doors = events::open(
            &door,
            &settings.events,
            &settings.amqp,
            &settings.filter.prefix,
            &listing_due,
            &stop,
        );
        let names = self.stages.iter().map(|(_, served)| served.stage.clone()).collect();
        let ops = ops::Ops::new(
            &self.parts,
            self.index.clone(),
            names,
            self.publisher.clone(),
            asking,
            upkeep.clone(),
            stop.clone(),
        );
        let routes = events::router(door, settings.events.clone())
            .merge(ops::router(ops, settings.ops.api_key.clone()));
        front.send_replace(Some(routes));
        let _closes = Closes(front);

        let stages = self.stages.clone();
        let health = self.parts.health.clone();
        let (decided, parts) = (self.decided.clone(), self.parts.clone());
        let ended = tokio::select! {
            () = async {
                self.take_up_in_the_end().await;
                health.ok("listing");
                self.watch(&settings, &mut asked, &listing_due).await;
            } => Ended::Stopped,
            () = flush_often(&stages) => Ended::Stopped,
            () = upkeep.run_often() => Ended::Stopped,
            () = retire::run_often(&parts, decided.clone()) => Ended::Stopped,
            () = others_are_kept(&settings.stages.models, decided) => Ended::Changed,
            () = shutdown.cancelled() => Ended::Stopped,
        };
        doors.shutdown().await;
        for (_, served) in stages.iter() {
            if let Err(error) = served.published.journal().flush().await {
                tracing::warn!(%error, "the journal of published jobs lacks the last second: those jobs may be published twice");
            }
        }
        Ok(ended)
    }

    /// One sweep and nothing else, by a process that is active only for it.
    pub(crate) async fn once(
        mut self,
        request: &Request,
        progress: impl Fn(&Report),
    ) -> anyhow::Result<Report> {
        self.take_up().await?;
        let swept = self.sweep(request, progress).await;
        for (_, served) in self.stages.iter() {
            served.published.journal().flush().await?;
        }
        swept
    }

    /// The keeping in order, for a process that is active only for it.
    pub(crate) fn upkeep(&self) -> Upkeep {
        Upkeep::new(&self.parts, self.index.clone(), self.dead.clone())
    }

    fn door(&self, settings: &Settings) -> anyhow::Result<Arc<events::Door>> {
        let filter = Arc::clone(&self.sweeper.filter);
        let (bucket, index, stages) =
            (self.parts.bucket.clone(), self.index.clone(), self.stages.clone());
        Ok(Arc::new(events::Door::new(bucket, index, filter, stages, settings.events.source)))
    }

    /// Compares bucket and tables again and again, at once when events may have been missed or
    /// somebody asks. A failed comparison changes nothing and is tried again.
    async fn watch(
        &mut self,
        settings: &Settings,
        asked: &mut mpsc::Receiver<Asked>,
        listing_due: &Notify,
    ) {
        let mut next = None;
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        loop {
            let mut pause = settings.watch.poll_interval;
            match next.take() {
                Some(asked) => self.asked(asked).await,
                None if self.scheduled().await => backoff.reset(),
                // The schedule may be hours away.
                None => pause = pause.min(backoff.pause()),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = listing_due_soon(listing_due, settings.watch.poll_interval) => {}
                Some(asked) = asked.recv() => next = Some(asked),
            }
        }
    }

    /// Returns whether it succeeded.
    async fn scheduled(&mut self) -> bool {
        match self.sweep(&Request::default(), |_| {}).await {
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

    async fn asked(&mut self, Asked { request, progress, done, cancel }: Asked) {
        let told = |report: &Report| {
            progress.send_replace(report.clone());
        };
        self.sweeper.look_closely();
        let result = tokio::select! {
            result = self.sweep(&request, told) => result.map(Some),
            () = cancel.cancelled() => Ok(None),
        };
        let _ = done.send(result);
    }

    /// One sweep with all that belongs to it.
    pub(crate) async fn sweep(
        &mut self,
        request: &Request,
        progress: impl Fn(&Report),
    ) -> anyhow::Result<Report> {
        let switches = switch::read(&self.parts.state).await?;
        for (_, served) in self.stages.iter() {
            if let Some(at) =
                switches.get(served.stage.as_str()).and_then(|stage| stage.cancelled_at)
            {
                served.published.withhold(at);
            }
        }
        self.forget_overdue().await?;
        let report = self.sweeper.run(request, progress).await?;
        dead_upkeep::measure(&self.stages);
        for (_, served) in self.stages.iter() {
            served.published.tidy_journal().await?;
        }
        if !report.dry_run && report.prefix.is_none() {
            self.keep(&report).await?;
        }
        Ok(report)
    }

    async fn forget_overdue(&self) -> anyhow::Result<()> {
        let limit = if self.governor.idle_for(IDLE_OVERDUE) { IDLE_OVERDUE } else { BUSY_OVERDUE };
        if self.stages.iter().any(|(_, served)| served.published.any_overdue(limit)) {
            self.dead.look().await?;
            let forgotten: usize =
                self.stages.iter().map(|(_, served)| served.published.forget_overdue(limit)).sum();
            tracing::info!(
                jobs = forgotten,
                "jobs that should have ended long ago are published again if still needed"
            );
        }
        Ok(())
    }

    /// Keeps the report of a full sweep in the bucket, and shows its counts.
    async fn keep(&mut self, report: &Report) -> anyhow::Result<()> {
        metrics::gauge!("bucketlens_ingest_listed_objects").set(report.objects as f64);
        metrics::gauge!("bucketlens_ingest_reconcile_seconds")
            .set(report.listing_ms as f64 / 1000.0);
        metrics::gauge!("bucketlens_ingest_last_full_sweep_timestamp_seconds")
            .set(jiff::Timestamp::now().as_second() as f64);
        metrics::counter!("bucketlens_ingest_missed_by_events_total")
            .increment(report.missed_by_events as u64);
        metrics::gauge!("bucketlens_ingest_orphans").set(report.orphans as f64);
        metrics::gauge!("bucketlens_ingest_spare_rows").set(report.spare_rows as f64);
        let same = |former: &Report| {
            let former = former.clone();
            let timeless =
                Report { started_at: None, finished_at: None, listing_ms: 0, ..report.clone() };
            Report { started_at: None, finished_at: None, listing_ms: 0, ..former } == timeless
        };
        if self
            .written
            .as_ref()
            .is_some_and(|(former, at)| at.elapsed() < REPORT_OFTEN && same(former))
        {
            return Ok(());
        }
        self.parts.state.put(SWEEP_STATE, report, Only::Always).await?;
        self.written = Some((report.clone(), Instant::now()));
        Ok(())
    }
}

/// Events may have been missed, so the next listing comes early; not at once again, however often
/// that happens.
async fn listing_due_soon(listing_due: &Notify, pause: Duration) {
    listing_due.notified().await;
    tokio::time::sleep(pause.min(EARLY_LISTING)).await;
}

/// Writes every journal about once a second. Runs until dropped.
async fn flush_often(stages: &ServedStages) {
    futures::future::join_all(
        stages.iter().map(|(_, served)| served.published.journal().flush_often()),
    )
    .await;
}

/// Waits until other models are to be worked for than now.
async fn others_are_kept(set: &[String], mut decided: Decided) {
    let kept =
        |decided: &Option<Models>| decided.as_ref().map(|decided| served::kept(set, decided));
    let now = kept(&decided.borrow());
    if decided.wait_for(|decided| kept(decided) != now).await.is_err() {
        std::future::pending().await
    }
}

/// Takes the routes away when the active time ends, however it ends.
struct Closes<'a>(&'a watch::Sender<Option<Router>>);

impl Drop for Closes<'_> {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}
