//! One session of a worker, from the first delivery to the last one settled or handed back.
//!
//! Four parts run at once, joined by bounded channels: intake (with its fetch tasks), planning,
//! inference, writing. While the model works on one batch, the next is fetched, decoded and looked
//! up, and the one before is committed.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::consume::{Consumer, Delivery, SUSPECT_ROUND, Suspects};
use crate::failure::Failure;
use crate::halt::Halts;
use crate::job::{Job, Redo};
use crate::object::{ImageId, ObjectRef};
use crate::settle::{Outcome, Patience};
use crate::stage::Stage;
use crate::worker::WorkerParts;

// What crashed that many workers is worked on alone; one crash is often somebody else's.
const SUSPECT_AFTER: u32 = 2;
// Crashes of a suspect: it was alone each time, so they are its own.
const GUILTY_AFTER: u32 = 3;
// Without anything to do for that long, nothing is known to be wrong any more.
const IDLE: Duration = Duration::from_secs(30);

/// Why a session ended.
pub(crate) enum Ended {
    /// The process is stopping.
    Stopped,
    /// The stage was paused.
    Paused,
    /// It could not work for too long, and why; `worked`: it could before.
    Halted { reason: String, worked: bool },
}

/// What the parts of one session share.
pub(crate) struct Session<S> {
    pub(crate) parts: Arc<WorkerParts<S>>,
    /// Ends the intake and every wait; what has begun is finished.
    pub(crate) ended: CancellationToken,
    pub(crate) halts: Halts,
    patience: Patience,
    // Every delivery that has begun, by object version. A second delivery of the same job joins the
    // first instead of doing the work twice.
    begun: Mutex<HashMap<ImageId, Vec<Delivery>>>,
    settled: Notify,
    worked: AtomicBool,
    fetches: Arc<Semaphore>,
}

/// An object that needs work.
pub(crate) struct Wanted {
    pub(crate) object: ObjectRef,
    /// Without company in its batch.
    pub(crate) alone: bool,
    /// What is known of other objects with its content is not good enough.
    pub(crate) fresh: bool,
}

/// An object on its way to the model.
pub(crate) struct Decoded<I> {
    pub(crate) object: ObjectRef,
    pub(crate) input: I,
    pub(crate) size_bytes: u64,
    pub(crate) fresh: bool,
}

/// Works until shutdown, a pause or a long halt. Then finishes and commits what has begun and hands
/// back the rest.
///
/// # Errors
/// A part of the loop hit a defect. What was held is handed back.
pub(crate) async fn run<S: Stage>(parts: &Arc<WorkerParts<S>>) -> anyhow::Result<Ended> {
    let ended = parts.shutdown.child_token();
    let session = Arc::new(Session {
        halts: Halts::new(parts.health.clone(), ended.clone(), parts.halt_hold),
        patience: Patience::until(ended.clone()),
        begun: Mutex::default(),
        settled: Notify::new(),
        worked: AtomicBool::new(false),
        fetches: Arc::new(Semaphore::new(parts.fetch.concurrency)),
        parts: Arc::clone(parts),
        ended,
    });
    let mut consumer = parts.subscription.start(parts.health.clone());
    tokio::spawn(Arc::clone(&session).watch_switch());
    let (decoded, to_plan) = mpsc::channel(parts.batch.max_rows.min(1024));
    let (planned, to_infer) = mpsc::channel(1);
    let (inferred, to_write) = mpsc::channel(1);
    let planning = tokio::spawn(Arc::clone(&session).plan_batches(to_plan, planned));
    let inference = tokio::spawn(Arc::clone(&session).infer_batches(to_infer, inferred));
    let writing = tokio::spawn(Arc::clone(&session).write_batches(to_write));

    Arc::clone(&session).take_in(&mut consumer, decoded).await;
    session.ended.cancel();
    consumer.stop();
    let hand_back_rest =
        async { parts.settler.hand_back(consumer.rest().await, &session.patience).await };
    let (planning, inference, writing, ()) =
        tokio::join!(planning, inference, writing, hand_back_rest);
    parts.settler.hand_back(session.unfinished(), &session.patience).await;
    consumer.close().await;
    planning.context("the planning part of the worker failed")?;
    inference.context("the inference part of the worker failed")?;
    writing.context("the writing part of the worker failed")?;
    Ok(match session.halts.held_too_long() {
        _ if parts.shutdown.is_cancelled() => Ended::Stopped,
        Some(reason) => Ended::Halted {
            reason: reason.to_owned(),
            worked: session.worked.load(Ordering::Relaxed),
        },
        None => Ended::Paused,
    })
}

impl<S: Stage> Session<S> {
    async fn watch_switch(self: Arc<Self>) {
        tokio::select! {
            () = self.ended.cancelled() => {}
            () = self.parts.switch.paused() => self.ended.cancel(),
        }
    }

    async fn take_in(
        self: Arc<Self>,
        consumer: &mut Consumer,
        decoded: mpsc::Sender<Decoded<S::Input>>,
    ) {
        let fetching = TaskTracker::new();
        let mut suspects = consumer.suspects();
        loop {
            let first = tokio::select! {
                biased;
                () = self.ended.cancelled() => break,
                () = suspects.wait() => {
                    self.work_on_suspects(&mut suspects, &fetching, &decoded).await;
                    continue;
                }
                delivery = tokio::time::timeout(IDLE, consumer.next()) => delivery,
            };
            let Ok(first) = first else {
                if self.nothing_begun() {
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
            self.parts.settler.suspect(suspects, &self.patience).await;
            for wanted in self.unseen(group, false).await {
                self.start(wanted, &fetching, &decoded).await;
            }
        }
        if self.parts.shutdown.is_cancelled() {
            self.parts.health.trouble("work", "the process is stopping");
        }
        fetching.close();
        fetching.wait().await;
    }

    /// Works on suspects, each alone: what happens meanwhile is charged to nothing else.
    async fn work_on_suspects(
        self: &Arc<Self>,
        suspects: &mut Suspects,
        fetching: &TaskTracker,
        decoded: &mpsc::Sender<Decoded<S::Input>>,
    ) {
        let until = Instant::now() + SUSPECT_ROUND;
        while Instant::now() < until && self.until_alone().await {
            let suspect = tokio::select! {
                suspect = suspects.take() => suspect,
                () = self.ended.cancelled() => None,
            };
            let Some(suspect) = suspect else { break };
            if suspect.crashes >= GUILTY_AFTER {
                let failure = worker_crash(&suspect);
                self.parts.settler.settle(suspect, failure.into(), &self.patience).await;
                continue;
            }
            for wanted in self.unseen(vec![suspect], true).await {
                self.start(wanted, fetching, decoded).await;
            }
        }
        suspects.yield_turn();
        self.until_alone().await;
    }

    fn nothing_begun(&self) -> bool {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Waits until nothing is being worked on; `false`: the session has ended.
    async fn until_alone(&self) -> bool {
        loop {
            if self.ended.is_cancelled() {
                return false;
            }
            if self.nothing_begun() {
                return true;
            }
            tokio::select! {
                () = self.settled.notified() => {}
                () = self.ended.cancelled() => {}
            }
        }
    }

    /// Starts fetching once there is room, unless the session ends before.
    async fn start(
        self: &Arc<Self>,
        wanted: Wanted,
        fetching: &TaskTracker,
        decoded: &mpsc::Sender<Decoded<S::Input>>,
    ) {
        let permit = tokio::select! {
            biased;
            () = self.ended.cancelled() => return,
            permit = Arc::clone(&self.fetches).acquire_owned() => permit,
        };
        if let Ok(permit) = permit {
            fetching.spawn(Arc::clone(self).fetch(wanted, permit, decoded.clone()));
        }
    }

    /// Notes the deliveries as begun, settles those whose rows exist, and returns the objects that
    /// need work.
    async fn unseen(&self, group: Vec<Delivery>, alone: bool) -> Vec<Wanted> {
        let (mut objects, mut again) = (Vec::new(), HashMap::new());
        for delivery in group {
            match Job::decode(&delivery.body) {
                Ok(job) if job.object.bucket != self.parts.bucket.name() => {
                    let (theirs, ours) = (&job.object.bucket, self.parts.bucket.name());
                    let reason = format!(
                        "the job is for bucket '{theirs}', this worker serves '{ours}': give each its own amqp.namespace"
                    );
                    let failure = Failure::dead_letter("foreign_bucket", reason);
                    self.parts.settler.settle(delivery, failure.into(), &self.patience).await;
                }
                Ok(job) => {
                    let id = job.object.image_id();
                    if let Some(redo) = job.redo {
                        // Of several deliveries the one that asks for most counts.
                        again
                            .entry(id)
                            .and_modify(|asked: &mut Redo| *asked = redo.max(*asked))
                            .or_insert(redo);
                    }
                    let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
                    let loans = begun.entry(id).or_default();
                    if loans.is_empty() {
                        objects.push(job.object);
                    }
                    loans.push(delivery);
                }
                Err(error) => {
                    let failure = Failure::dead_letter(error.class(), error);
                    self.parts.settler.settle(delivery, failure.into(), &self.patience).await;
                }
            }
        }
        let ids: Vec<_> = objects.iter().map(ObjectRef::image_id).collect();
        let mut halt = self.halts.halt();
        let existing = loop {
            match self.existing(&ids, &again).await {
                Ok(existing) => break existing,
                // Nothing can be said about any of them while the tables cannot be read, whatever
                // the cause.
                Err(failure) => {
                    if !halt.again(&failure).await {
                        return Vec::new();
                    }
                }
            }
        };
        drop(halt);
        let mut missing = Vec::new();
        for object in objects {
            let id = object.image_id();
            if existing.contains(&id) {
                self.settle(&object, Outcome::Exists).await;
            } else {
                missing.push(Wanted {
                    object,
                    alone,
                    fresh: matches!(again.get(&id), Some(Redo::Since(_))),
                });
            }
        }
        missing
    }

    /// Which of these object versions need no work.
    async fn existing(
        &self,
        ids: &[ImageId],
        again: &HashMap<ImageId, Redo>,
    ) -> Result<HashSet<ImageId>, Failure> {
        let (again, once): (Vec<_>, Vec<_>) =
            ids.iter().map(|id| (*id, again.get(id))).partition(|(_, redo)| redo.is_some());
        let mut existing = HashSet::new();
        if !once.is_empty() {
            let once: Vec<_> = once.into_iter().map(|(id, _)| id).collect();
            existing.extend(self.parts.stage.existing(&once).await?);
        }
        if !again.is_empty() {
            let again: Vec<_> =
                again.into_iter().filter_map(|(id, redo)| Some((id, *redo?))).collect();
            existing.extend(self.parts.stage.redone(&again).await?);
        }
        Ok(existing)
    }

    /// Ends every delivery of this object version. A failure is published once, for the delivery
    /// with the most attempts, however many there are: after a reconnect the same job is held
    /// twice.
    pub(crate) async fn settle(&self, object: &ObjectRef, outcome: Outcome) {
        let loans =
            self.begun.lock().unwrap_or_else(PoisonError::into_inner).remove(&object.image_id());
        let mut loans = loans.unwrap_or_default();
        loans.sort_by_key(|delivery| std::cmp::Reverse(delivery.attempt));
        let mut loans = loans.into_iter();
        if outcome.is_progress() {
            self.worked.store(true, Ordering::Relaxed);
            self.halts.working();
        }
        let Some(first) = loans.next() else { return };
        let settled = self.parts.settler.settle(first, outcome, &self.patience).await;
        for other in loans {
            if settled {
                other.ack().await;
            } else {
                other.requeue().await;
            }
        }
        self.settled.notify_one();
    }

    /// Everything that has begun and was not settled.
    fn unfinished(&self) -> Vec<Delivery> {
        let begun = std::mem::take(&mut *self.begun.lock().unwrap_or_else(PoisonError::into_inner));
        begun.into_values().flatten().collect()
    }
}

fn worker_crash(suspect: &Delivery) -> Failure {
    let before = suspect
        .header("bl-suspected")
        .and_then(|count| count.parse::<u32>().ok())
        .unwrap_or(SUSPECT_AFTER);
    let (alone, all) = (suspect.crashes, suspect.crashes.saturating_add(before));
    let reason = format!(
        "{all} workers ended, or lost the broker, while they held this job; the last {alone} of them worked on nothing else: \
         look into their logs"
    );
    Failure::dead_letter("worker_crash", reason)
}
