//! The deliveries whose work has begun.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::delivery::Delivery;
use crate::object::ImageId;

/// Every delivery that has begun, by object version. A second delivery of the same job joins the
/// first instead of doing the work twice.
#[derive(Debug, Default)]
pub(super) struct LoanBook {
    begun: Mutex<HashMap<ImageId, Vec<Delivery>>>,
    settled: Notify,
}

impl LoanBook {
    /// Notes a delivery as begun. `false`: its object version is being worked on already.
    pub(super) fn begin(&self, id: ImageId, delivery: Delivery) -> bool {
        let mut begun = self.lock();
        let deliveries = begun.entry(id).or_default();
        deliveries.push(delivery);
        deliveries.len() == 1
    }

    /// Takes out all deliveries of an object version, the one with the most attempts first.
    pub(super) fn take(&self, id: &ImageId) -> Vec<Delivery> {
        let mut deliveries = self.lock().remove(id).unwrap_or_default();
        deliveries.sort_by_key(|delivery| std::cmp::Reverse(delivery.attempt));
        deliveries
    }

    /// Takes out everything.
    pub(super) fn take_all(&self) -> Vec<Delivery> {
        std::mem::take(&mut *self.lock()).into_values().flatten().collect()
    }

    /// Whether no work has begun.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Wakes [`Self::emptied`]: something was taken out and settled.
    pub(super) fn note_settled(&self) {
        self.settled.notify_one();
    }

    /// Waits until no work is under way; `false`: the session has ended.
    pub(super) async fn emptied(&self, ended: &CancellationToken) -> bool {
        loop {
            if ended.is_cancelled() {
                return false;
            }
            if self.is_empty() {
                return true;
            }
            tokio::select! {
                () = self.settled.notified() => {}
                () = ended.cancelled() => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ImageId, Vec<Delivery>>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
