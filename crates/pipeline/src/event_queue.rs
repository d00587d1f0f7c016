//! Notifications that the store pushes into our exchange, from the queue behind it.

use std::future::Future;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lapin::Connection;
use lapin::message::Delivery;
use service::backoff::Backoff;
use tokio_util::sync::CancellationToken;

use crate::ack;
use crate::connection::{self, AmqpSettings, BrokerError};
use crate::queue_consumer::{QueueConsumer, StallCheck};
use crate::topology::Topology;

// Messages acted on at a time.
const PREFETCH: u16 = 32;

/// Calls `act` with every notification and acks the message once that returns, until shutdown.
/// Connects again whenever it must. Up to 32 are acted on at a time; those whose connection is lost
/// meanwhile are delivered again.
pub async fn consume<F: Future<Output = ()>>(
    settings: &AmqpSettings,
    name: &str,
    shutdown: &CancellationToken,
    act: impl Fn(Vec<u8>) -> F,
) {
    let topology = Topology::new(&settings.namespace);
    let mut backoff = Backoff::default();
    let mut last_problem = String::new();
    while !shutdown.is_cancelled() {
        let opened = tokio::select! {
            opened = connection::in_time(EventConsumer::open(settings, &topology, name)) => opened,
            () = shutdown.cancelled() => return,
        };
        let ended = match opened {
            Ok(consumer) => {
                backoff.reset();
                last_problem.clear();
                consumer.serve(&topology, shutdown, &act).await
            }
            Err(error) => Err(error),
        };
        let Err(error) = ended else { return };
        metrics::counter!("bucketlens_broker_reconnects_total", "role" => "events").increment(1);
        // A queue with other arguments stays so for hours; one line in the log is enough.
        if last_problem != error.to_string() {
            last_problem = error.to_string();
            tracing::warn!(
                %error,
                queue = topology.events(),
                "the queue of notifications will be connected again"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.pause()) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

struct EventConsumer {
    connection: Connection,
    consumer: QueueConsumer,
}

impl EventConsumer {
    async fn open(
        settings: &AmqpSettings,
        topology: &Topology,
        name: &str,
    ) -> Result<Self, BrokerError> {
        let connection = connection::connect(settings, &format!("{name} events")).await?;
        topology.ensure_events(&connection, settings.topology).await?;
        let consumer = QueueConsumer::open(&connection, &topology.events(), PREFETCH).await?;
        Ok(Self { connection, consumer })
    }

    /// Acts on messages until shutdown (`Ok`) or until the connection breaks (`Err`).
    async fn serve<F: Future<Output = ()>>(
        mut self,
        topology: &Topology,
        shutdown: &CancellationToken,
        act: &impl Fn(Vec<u8>) -> F,
    ) -> Result<(), BrokerError> {
        let mut events = Box::pin(self.connection.events_listener());
        let mut acting = FuturesUnordered::new();
        let mut stall = StallCheck::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                error = connection::broken(&mut events) => return Err(error),
                Some(()) = acting.next() => {}
                message = self.consumer.next() => {
                    acting.push(act_on(message?, act));
                    stall.reset();
                }
                () = stall.due() => {
                    let waiting = topology.events_waiting(&self.connection);
                    if stall.is_stalled(acting.is_empty(), waiting).await? {
                        let reason = "notifications wait, but the broker delivers none";
                        return Err(BrokerError::Lost(reason.into()));
                    }
                }
            }
        }
        // Messages that are still acted on go back to the queue with the connection.
        drop(acting);
        connection::close(self.connection).await;
        Ok(())
    }
}

async fn act_on<F: Future<Output = ()>>(message: Delivery, act: &impl Fn(Vec<u8>) -> F) {
    act(message.data).await;
    ack::ack_or_count(&message.acker).await;
}
