//! The suspect queue: jobs that crashed workers held. Unlike the others it is not consumed but
//! asked, so that a suspect is on loan only while the worker holds nothing else. A crash then
//! counts against that suspect alone.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::delivery::Delivery;

/// Time between two counts of the suspect queue.
pub(super) const SUSPECT_CHECK: Duration = Duration::from_secs(2);
/// How long suspects may keep other jobs waiting at a time. One at a time is slow, and after a node
/// has broken there may be many.
pub(crate) const SUSPECT_ROUND: Duration = Duration::from_secs(30);

/// Where the consuming task sends a suspect, or `None` if there is none.
pub(super) type SuspectReply = oneshot::Sender<Option<Delivery>>;

/// The worker's side of the suspect queue.
#[derive(Debug, Clone)]
pub(crate) struct Suspects {
    waiting: watch::Receiver<bool>,
    requests: mpsc::Sender<SuspectReply>,
    not_before: Instant,
}

/// The consuming task's side of the suspect queue.
pub(super) struct SuspectSource {
    /// Whether suspects wait, as last counted.
    pub(super) waiting: watch::Sender<bool>,
    /// Requests of the worker.
    pub(super) requests: mpsc::Receiver<SuspectReply>,
}

/// Both sides.
pub(super) fn channel() -> (Suspects, SuspectSource) {
    let (asking, requests) = mpsc::channel(1);
    let (known, waiting) = watch::channel(false);
    let suspects = Suspects { waiting, requests: asking, not_before: Instant::now() };
    (suspects, SuspectSource { waiting: known, requests })
}

impl SuspectSource {
    /// Notes whether suspects wait; wakes the worker only when that changes.
    pub(super) fn note(&self, waiting: bool) {
        self.waiting.send_if_modified(|known| std::mem::replace(known, waiting) != waiting);
    }
}

impl Suspects {
    /// Waits until there are suspects, and until other jobs had their turn.
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep_until(self.not_before).await;
        if self.waiting.wait_for(|waiting| *waiting).await.is_err() {
            std::future::pending().await
        }
    }

    /// The next suspect; `None` if there is none, or the consumer was stopped.
    pub(crate) async fn take(&self) -> Option<Delivery> {
        let (reply, suspect) = oneshot::channel();
        self.requests.send(reply).await.ok()?;
        suspect.await.ok()?
    }

    /// Gives other jobs a turn.
    pub(crate) fn yield_turn(&mut self) {
        self.not_before = Instant::now() + SUSPECT_CHECK;
    }
}
