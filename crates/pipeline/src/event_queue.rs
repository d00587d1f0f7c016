//! Notifications that the store pushes into our exchange, from the queue behind it.

use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer, Event};
use tokio_util::sync::CancellationToken;

use crate::connection::{self, AmqpSettings, BrokerError};
use crate::topology::Topology;
use service::backoff::Backoff;

// Messages acted on at a time.
const PREFETCH: u16 = 32;
// See `consume`: a consumer can go deaf without being told.
const IDLE_CHECK: Duration = Duration::from_secs(10);
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Hands every notification to `act` and acks it once that returns, until shutdown; connects again
/// whenever it must. Up to 32 are acted on at a time. One whose connection is lost meanwhile is
/// delivered again.
pub async fn consume<F: Future<Output = ()>>(
    settings: &AmqpSettings,
    name: &str,
    shutdown: &CancellationToken,
    act: impl Fn(Vec<u8>) -> F,
) {
    let topology = Topology::new(&settings.namespace);
    let mut backoff = Backoff::default();
    let mut told = String::new();
    while !shutdown.is_cancelled() {
        let opened = tokio::select! {
            opened = connection::in_time(open(settings, &topology, name)) => opened,
            () = shutdown.cancelled() => return,
        };
        let ended = match opened {
            Ok(link) => {
                backoff.reset();
                told.clear();
                link.serve(&topology, shutdown, &act).await
            }
            Err(error) => Err(error),
        };
        let Err(error) = ended else { return };
        metrics::counter!("bucketlens_broker_reconnects_total", "role" => "events").increment(1);
        // A queue with other arguments stays as it is for hours; once is enough to say so.
        if told != error.to_string() {
            told = error.to_string();
            tracing::warn!(%error, queue = topology.events(), "the queue of notifications will be connected again");
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.pause()) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

struct Link {
    connection: Connection,
    // Dropping its last handle would close the channel.
    _channel: Channel,
    consumer: Consumer,
}

async fn open(
    settings: &AmqpSettings,
    topology: &Topology,
    name: &str,
) -> Result<Link, BrokerError> {
    let connection = connection::connect(settings, &format!("{name} events")).await?;
    topology.ensure_events(&connection, settings.topology).await?;
    let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await.map_err(BrokerError::lost)?;
    let queue = topology.events();
    let consumer = channel
        .basic_consume(
            queue.as_str().into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await
        .map_err(|error| BrokerError::topology("queue", &queue, error))?;
    Ok(Link { connection, _channel: channel, consumer })
}

impl Link {
    /// Until shutdown (`Ok`) or until the connection breaks (`Err`).
    async fn serve<F: Future<Output = ()>>(
        mut self,
        topology: &Topology,
        shutdown: &CancellationToken,
        act: &impl Fn(Vec<u8>) -> F,
    ) -> Result<(), BrokerError> {
        let mut events = Box::pin(self.connection.events_listener());
        let mut acting = FuturesUnordered::new();
        let mut check = tokio::time::interval(IDLE_CHECK);
        let mut idle = false;
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                event = events.next() => match event {
                    Some(Event::Error(error)) => return Err(BrokerError::lost(error)),
                    None => return Err(BrokerError::Lost("its event stream ended".into())),
                    Some(_) => {}
                },
                Some(()) = acting.next() => {}
                // The end of the stream is no clean stop: the broker cancels consumers whose queue
                // is deleted.
                message = self.consumer.next() => {
                    let cancelled = || BrokerError::Lost("the broker cancelled the consumer".into());
                    let message = message.ok_or_else(cancelled)?.map_err(BrokerError::lost)?;
                    acting.push(act_on(message, act));
                    idle = false;
                }
                _ = check.tick() => {
                    let deaf = idle && acting.is_empty();
                    if deaf && connection::in_time(topology.events_waiting(&self.connection)).await? {
                        return Err(BrokerError::Lost("notifications wait, but the broker delivers none".into()));
                    }
                    idle = true;
                }
            }
        }
        // What is still acted on goes back to the queue with the connection.
        drop(acting);
        connection::close(self.connection).await;
        Ok(())
    }
}

async fn act_on<F: Future<Output = ()>>(message: Delivery, act: &impl Fn(Vec<u8>) -> F) {
    act(message.data).await;
    // An ack that does not arrive only means another delivery.
    if !matches!(
        tokio::time::timeout(SETTLE_TIMEOUT, message.acker.ack(BasicAckOptions::default())).await,
        Ok(Ok(true))
    ) {
        metrics::counter!("bucketlens_settle_lost_total").increment(1);
    }
}
