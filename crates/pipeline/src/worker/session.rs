//! One session of a worker, from the first delivery to the last one settled or republished.
//!
//! Four parts run at once, joined by bounded channels: intake (with its fetch tasks), planning,
//! inference, writing. While the model works on one batch, the next is fetched, decoded and looked
//! up, and the one before is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::halt::Halts;
use super::loans::LoanBook;
use super::parts::WorkerParts;
use crate::object::ObjectRef;
use crate::settle::{GracePeriod, JobOutcome};
use crate::stage::Stage;

/// Why a session ended.
pub(super) enum SessionEnd {
    /// The process is stopping.
    Stopped,
    /// The stage was paused.
    Paused,
    /// It could not work for too long.
    Halted {
        /// Why.
        reason: String,
        /// Whether it could work before.
        worked: bool,
    },
}

/// What the parts of one session share.
pub(super) struct Session<S> {
    pub(super) parts: Arc<WorkerParts<S>>,
    /// Ends the intake and every wait; begun work is finished.
    pub(super) ended: CancellationToken,
    pub(super) halts: Halts,
    pub(super) grace: GracePeriod,
    pub(super) loans: LoanBook,
    /// One permit per fetch.
    pub(super) fetches: Arc<Semaphore>,
    worked: AtomicBool,
}

/// An object that needs work.
pub(super) struct WantedObject {
    pub(super) object: ObjectRef,
    /// It must be the only one in its batch.
    pub(super) alone: bool,
    /// The model must be run: known outputs of equal content are not good enough.
    pub(super) fresh: bool,
}

/// An object on its way to the model.
pub(super) struct DecodedObject<I> {
    pub(super) object: ObjectRef,
    pub(super) input: I,
    pub(super) size_bytes: u64,
    pub(super) fresh: bool,
}

/// Works until shutdown, a pause or a long halt. Then finishes and commits what has begun and
/// republishes the rest.
///
/// # Errors
/// A part of the loop hit a defect. All unfinished jobs are republished.
pub(super) async fn run<S: Stage>(parts: &Arc<WorkerParts<S>>) -> anyhow::Result<SessionEnd> {
    let ended = parts.shutdown.child_token();
    let session = Arc::new(Session {
        halts: Halts::new(parts.health.clone(), ended.clone(), parts.halt_hold),
        grace: GracePeriod::after(ended.clone()),
        loans: LoanBook::default(),
        fetches: Arc::new(Semaphore::new(parts.fetch.concurrency)),
        worked: AtomicBool::new(false),
        parts: Arc::clone(parts),
        ended,
    });
    let mut consumer = parts.subscription.clone().start(parts.health.clone());
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
    let republish_rest =
        async { parts.settler.republish(consumer.rest().await, &session.grace).await };
    let (planning, inference, writing, ()) =
        tokio::join!(planning, inference, writing, republish_rest);
    parts.settler.republish(session.loans.take_all(), &session.grace).await;
    consumer.close().await;
    planning.context("the planning part of the worker failed")?;
    inference.context("the inference part of the worker failed")?;
    writing.context("the writing part of the worker failed")?;
    Ok(match session.halts.held_too_long() {
        _ if parts.shutdown.is_cancelled() => SessionEnd::Stopped,
        Some(reason) => SessionEnd::Halted {
            reason: reason.to_owned(),
            worked: session.worked.load(Ordering::Relaxed),
        },
        None => SessionEnd::Paused,
    })
}

impl<S: Stage> Session<S> {
    async fn watch_switch(self: Arc<Self>) {
        tokio::select! {
            () = self.ended.cancelled() => {}
            () = self.parts.switch.paused() => self.ended.cancel(),
        }
    }

    /// Ends every delivery of this object version. After a reconnect the same job may be held
    /// twice; a failure is published once all the same, for the delivery with the most attempts.
    pub(super) async fn settle(&self, object: &ObjectRef, outcome: JobOutcome) {
        let mut deliveries = self.loans.take(&object.image_id()).into_iter();
        if outcome.is_progress() {
            self.worked.store(true, Ordering::Relaxed);
            self.halts.working();
        }
        let Some(first) = deliveries.next() else { return };
        let settled = self.parts.settler.settle(first, outcome, &self.grace).await;
        for other in deliveries {
            if settled {
                other.ack().await;
            } else {
                other.requeue().await;
            }
        }
        self.loans.note_settled();
    }
}
