//! The handle of a worker that consumes one stage's queues.

use service::health::Health;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::subscription::Subscription;
use super::suspects::{self, Suspects};
use super::task::ConsumerTask;
use crate::delivery::Delivery;
use crate::topology::Topology;

/// The consuming side of one stage. A task owns the connection and connects again whenever it must.
/// Deliveries of a lost connection are delivered again by the broker.
#[derive(Debug)]
pub struct Consumer {
    // Bounded by the prefetch, per connection.
    deliveries: mpsc::UnboundedReceiver<Delivery>,
    suspects: Suspects,
    stop: CancellationToken,
    close: CancellationToken,
    task: JoinHandle<()>,
}

impl Subscription {
    /// Starts consuming. Call it only once the process can work: a delivered job counts as begun.
    pub fn start(self, health: Health) -> Consumer {
        let (stop, close) = (CancellationToken::new(), CancellationToken::new());
        let (outbox, deliveries) = mpsc::unbounded_channel();
        let (suspects, source) = suspects::channel();
        let task = ConsumerTask {
            topology: Topology::new(&self.amqp.namespace),
            subscription: self,
            health,
            suspects: source,
            outbox,
            stop: stop.clone(),
            close: close.clone(),
        };
        Consumer { deliveries, suspects, stop, close, task: tokio::spawn(task.run()) }
    }
}

impl Consumer {
    /// The next delivery; `None` once stopped.
    pub async fn next(&mut self) -> Option<Delivery> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            delivery = self.deliveries.recv() => delivery,
        }
    }

    /// A delivery that is already here.
    pub fn ready(&mut self) -> Option<Delivery> {
        self.deliveries.try_recv().ok()
    }

    /// The way to the suspect queue.
    pub(crate) fn suspects(&self) -> Suspects {
        self.suspects.clone()
    }

    /// Takes no more deliveries; those on loan can still be settled.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Everything that was delivered and never taken. Call it after [`Consumer::stop`].
    pub(crate) async fn rest(&mut self) -> Vec<Delivery> {
        let mut rest = Vec::new();
        while let Some(delivery) = self.deliveries.recv().await {
            rest.push(delivery);
        }
        rest
    }

    /// Closes the connection; unsettled deliveries go back to their queue.
    pub async fn close(self) {
        self.stop.cancel();
        self.close.cancel();
        drop(self.deliveries);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the consuming task failed");
        }
    }
}
