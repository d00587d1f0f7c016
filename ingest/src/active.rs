//! The active ingest: what it consists of, and how its tasks run together.

use std::sync::Arc;

use axum::Router;
use pipeline::models::Models;
use service::backoff::Backoff;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::parts::IngestParts;
use crate::settings::StageSettings;
use crate::upkeep::{Upkeep, retire};
use crate::watch::dead::note_all_dead_letters;
use crate::watch::events::{self, EventDoor};
use crate::watch::index::Index;
use crate::watch::report::{SweepReport, SweepRequest};
use crate::watch::schedule::{QueuedSweep, SweepSchedule};
use crate::watch::stages::{ModelDecisions, WatchedStages};

// More sweeps than this never wait: each is an operation, and one runs at a time.
const QUEUED_SWEEPS: usize = 4;

/// Why an active ingest ended without failing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ActiveEnd {
    /// The process is stopping.
    Stopped,
    /// Operators have removed or kept stages: it begins anew with others.
    StagesChanged,
}

/// The collaborators of an active ingest. Built anew each time the process becomes active.
pub(crate) struct Active {
    parts: IngestParts,
    decisions: ModelDecisions,
    stages: WatchedStages,
    door: Arc<EventDoor>,
    schedule: SweepSchedule,
    upkeep: Upkeep,
}

/// What HTTP requests may use of a running active ingest.
#[derive(Clone)]
pub(crate) struct ActiveHandle {
    pub(crate) parts: IngestParts,
    pub(crate) stages: WatchedStages,
    pub(crate) door: Arc<EventDoor>,
    /// Takes sweeps that operators ask for.
    pub(crate) sweeps: mpsc::Sender<QueuedSweep>,
    pub(crate) upkeep: Upkeep,
    /// Cancelled when the active ingest ends.
    pub(crate) stop: CancellationToken,
}

impl Active {
    /// For the stages that the settings name and operators have not removed.
    ///
    /// # Errors
    /// The filter cannot be used, or no stage is left whose table answers searches.
    pub(crate) fn new(parts: IngestParts, decisions: ModelDecisions) -> anyhow::Result<Self> {
        let filter = Arc::new(parts.filter()?);
        let stages = WatchedStages::start(&parts, decisions.clone())?;
        let index = Index::new(parts.database.clone(), stages.tables());
        let door = EventDoor::new(&parts, index.clone(), Arc::clone(&filter), stages.clone());
        Ok(Self {
            door: Arc::new(door),
            schedule: SweepSchedule::new(&parts, index.clone(), stages.clone(), filter),
            upkeep: Upkeep::new(&parts, index, stages.clone()),
            parts,
            decisions,
            stages,
        })
    }

    /// Runs until shutdown, or until operators have changed the stages. `routes` makes the HTTP
    /// interface, which is served through `front` meanwhile. May be dropped at any moment: the next
    /// active ingest goes on from the bucket, the queues and the tables.
    pub(crate) async fn run(
        self,
        routes: impl FnOnce(ActiveHandle) -> Router,
        front: &watch::Sender<Option<Router>>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<ActiveEnd> {
        let Self { parts, decisions, stages, door, schedule, upkeep } = self;
        let (sweeps, queue) = mpsc::channel(QUEUED_SWEEPS);
        let stop = shutdown.child_token();
        let _ends_with_us = stop.clone().drop_guard();
        let listing_due = Arc::new(Notify::new());
        let mut doors = events::open(&door, &parts.settings, &listing_due, &stop);
        let handle = ActiveHandle {
            parts: parts.clone(),
            stages: stages.clone(),
            door,
            sweeps,
            upkeep: upkeep.clone(),
            stop,
        };
        front.send_replace(Some(routes(handle)));
        let _closes = ClosedOnDrop(front);
        let end = tokio::select! {
            () = async {
                take_up_in_the_end(&parts, &stages).await;
                parts.health.ok("listing");
                schedule.run(queue, &listing_due).await;
            } => ActiveEnd::Stopped,
            () = stages.flush_often() => ActiveEnd::Stopped,
            () = upkeep.run_often() => ActiveEnd::Stopped,
            () = retire::run_often(&parts, decisions.clone()) => ActiveEnd::Stopped,
            () = stages_change(&parts.settings.stages, decisions) => ActiveEnd::StagesChanged,
            () = shutdown.cancelled() => ActiveEnd::Stopped,
        };
        doors.shutdown().await;
        for stage in stages.iter() {
            if let Err(error) = stage.published.journal().flush().await {
                tracing::warn!(
                    %error,
                    "the journal of published jobs lacks the last second: those jobs may be \
                     published twice"
                );
            }
        }
        Ok(end)
    }

    /// One sweep and nothing else, for a process that is active only for it.
    pub(crate) async fn sweep_once(
        mut self,
        request: &SweepRequest,
        progress: impl Fn(&SweepReport),
    ) -> anyhow::Result<SweepReport> {
        take_up(&self.parts, &self.stages).await?;
        let swept = self.schedule.sweep(request, progress).await;
        for stage in self.stages.iter() {
            stage.published.journal().flush().await?;
        }
        swept
    }

    /// The maintenance, for a process that is active only for it.
    pub(crate) fn upkeep(&self) -> &Upkeep {
        &self.upkeep
    }
}

/// Takes over the outstanding jobs and the dead letters of the active ingest before. Dead letters
/// lack a row for ever but have had their job: without this every restart would publish them again,
/// and each would die once more.
async fn take_up(parts: &IngestParts, stages: &WatchedStages) -> anyhow::Result<()> {
    for stage in stages.iter() {
        let jobs = stage.published.recall().await?;
        tracing::info!(stage = %stage.name, jobs, "took over the outstanding jobs");
    }
    Ok(note_all_dead_letters(&parts.settings.amqp, stages).await?)
}

/// The same as soon as the store and the broker answer.
async fn take_up_in_the_end(parts: &IngestParts, stages: &WatchedStages) {
    let mut backoff = Backoff::default();
    while let Err(error) = take_up(parts, stages).await {
        parts.health.trouble("listing", format!("{error:#}"));
        tracing::warn!("the outstanding jobs cannot be read, trying again: {error:#}");
        tokio::time::sleep(backoff.pause()).await;
    }
}

/// Waits until operators have removed or kept one of the stages that the settings name.
async fn stages_change(settings: &StageSettings, mut decisions: ModelDecisions) {
    let kept = |decisions: &Option<Models>| decisions.as_ref().map(|known| settings.kept(known));
    let now = kept(&decisions.borrow());
    if decisions.wait_for(|decisions| kept(decisions) != now).await.is_err() {
        std::future::pending().await
    }
}

/// Takes the routes away when the active ingest ends, however it ends.
struct ClosedOnDrop<'a>(&'a watch::Sender<Option<Router>>);

impl Drop for ClosedOnDrop<'_> {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}
