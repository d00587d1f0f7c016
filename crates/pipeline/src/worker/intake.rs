//! The intake: deliveries become fetches, and suspects are worked on alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::session::{DecodedObject, Session, WantedObject};
use crate::consume::{Consumer, Delivery, SUSPECT_ROUND, Suspects};
use crate::failure::Failure;
use crate::headers;
use crate::stage::Stage;

// A job that so many workers held when they crashed is a suspect, and worked on alone. After a
// single crash another job may be to blame.
const SUSPECT_AFTER: u32 = 2;
// Crashes of a suspect after which it is dead. It was alone each time, so it caused them.
const GUILTY_AFTER: u32 = 3;
// Without anything to do for this long, earlier troubles no longer count.
const IDLE: Duration = Duration::from_secs(30);

/// Where fetches run, and where they send decoded objects.
struct FetchTasks<I> {
    running: TaskTracker,
    decoded: mpsc::Sender<DecodedObject<I>>,
}

impl<S: Stage> Session<S> {
    pub(super) async fn take_in(
        self: Arc<Self>,
        consumer: &mut Consumer,
        decoded: mpsc::Sender<DecodedObject<S::Input>>,
    ) {
        let fetching = FetchTasks { running: TaskTracker::new(), decoded };
        let mut suspects = consumer.suspects();
        loop {
            let first = tokio::select! {
                biased;
                () = self.ended.cancelled() => break,
                () = suspects.wait() => {
                    self.work_on_suspects(&mut suspects, &fetching).await;
                    continue;
                }
                delivery = tokio::time::timeout(IDLE, consumer.next()) => delivery,
            };
            let Ok(first) = first else {
                if self.loans.is_empty() {
                    self.halts.working();
                }
                continue;
            };
            let Some(first) = first else { break };
            let mut group = vec![first];
            while group.len() < self.parts.batch.max_rows
                && let Some(delivery) = consumer.ready()
            {
                group.push(delivery);
            }
            let (suspects, group) =
                group.into_iter().partition(|delivery| delivery.crashes >= SUSPECT_AFTER);
            self.parts.settler.move_to_suspects(suspects, &self.grace).await;
            for wanted in self.admit(group, false).await {
                self.start_fetch(wanted, &fetching).await;
            }
        }
        if self.parts.shutdown.is_cancelled() {
            self.parts.health.trouble("work", "the process is stopping");
        }
        fetching.running.close();
        fetching.running.wait().await;
    }

    /// Works on suspects one at a time, so that a crash meanwhile counts against that suspect only.
    async fn work_on_suspects(
        self: &Arc<Self>,
        suspects: &mut Suspects,
        fetching: &FetchTasks<S::Input>,
    ) {
        let until = Instant::now() + SUSPECT_ROUND;
        while Instant::now() < until && self.loans.emptied(&self.ended).await {
            let suspect = tokio::select! {
                suspect = suspects.take() => suspect,
                () = self.ended.cancelled() => None,
            };
            let Some(suspect) = suspect else { break };
            if suspect.crashes >= GUILTY_AFTER {
                let failure = worker_crash(&suspect);
                self.parts.settler.settle(suspect, failure.into(), &self.grace).await;
                continue;
            }
            for wanted in self.admit(vec![suspect], true).await {
                self.start_fetch(wanted, fetching).await;
            }
        }
        suspects.yield_turn();
        self.loans.emptied(&self.ended).await;
    }

    /// Starts fetching once there is room, unless the session ends before.
    async fn start_fetch(self: &Arc<Self>, wanted: WantedObject, fetching: &FetchTasks<S::Input>) {
        let permit = tokio::select! {
            biased;
            () = self.ended.cancelled() => return,
            permit = Arc::clone(&self.fetches).acquire_owned() => permit,
        };
        if let Ok(permit) = permit {
            let decoded = fetching.decoded.clone();
            fetching.running.spawn(Arc::clone(self).fetch(wanted, permit, decoded));
        }
    }
}

fn worker_crash(suspect: &Delivery) -> Failure {
    let before = suspect
        .header(headers::SUSPECTED)
        .and_then(|count| count.parse::<u32>().ok())
        .unwrap_or(SUSPECT_AFTER);
    let (alone, all) = (suspect.crashes, suspect.crashes.saturating_add(before));
    let reason = format!(
        "{all} workers ended, or lost the broker, while they held this job; \
         the last {alone} of them worked on nothing else: look into their logs"
    );
    Failure::dead_letter("worker_crash", reason)
}
