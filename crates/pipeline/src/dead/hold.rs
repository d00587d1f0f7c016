//! Taking all letters of a dead queue on loan, for a moment.

use std::time::{Duration, Instant};

use futures::StreamExt;
use lapin::options::{BasicCancelOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;
use lapin::{Acker, Channel, Connection, ErrorKind};

use super::letter::DeadLetter;
use crate::ack;
use crate::connection::{self, AmqpSettings, BrokerError};
use crate::queue_consumer;
use crate::stage_name::StageName;
use crate::topology::{Topology, TopologyMode, depth};

/// How many dead letters can be read at once: as many as one consumer may hold.
pub const MOST: usize = u16::MAX as usize;

// Longer than a replay holds the queue at a time.
const WAIT: Duration = Duration::from_secs(30);
const ASK_AGAIN: Duration = Duration::from_millis(250);
// The broker delivers all letters at once, unless it is very busy. A pause this long means that
// there are fewer than it counted.
const IDLE: Duration = Duration::from_secs(15);
const RETURN_LIMIT: Duration = Duration::from_secs(30);

/// Every letter of a dead queue, on loan. Dropping it returns all of them.
pub(super) struct Hold {
    /// In the queue's order.
    pub(super) held: Vec<HeldLetter>,
    unseen: usize,
    queue: String,
    connection: Connection,
    channel: Channel,
}

/// A letter on loan.
pub(super) struct HeldLetter {
    pub(super) letter: DeadLetter,
    acker: Acker,
}

impl HeldLetter {
    /// Takes the letter out of the queue; `false` if the ack may not have arrived.
    ///
    /// When the channel closes, the broker drops acks that it has not processed (seen on 3.10). So
    /// even `true` is no proof; a caller that must be sure reads the queue again.
    pub(super) async fn settle(&self) -> bool {
        ack::ack(&self.acker).await
    }
}

impl Hold {
    /// Takes all letters that are in the queue now, [`MOST`] at most.
    pub(super) async fn take(
        settings: &AmqpSettings,
        stage: &StageName,
    ) -> Result<Self, BrokerError> {
        let topology = Topology::new(&settings.namespace);
        let connection = connection::connect(settings, "dead letters").await?;
        let queue = topology.dead_queue(stage);
        lock(&connection, &queue).await?;
        let opening = async {
            if settings.topology == TopologyMode::Declare {
                topology
                    .ensure(&connection, settings.topology, std::slice::from_ref(stage))
                    .await?;
            }
            let total = depth(&connection, &queue).await?.unwrap_or(0) as usize;
            Ok((total, connection.create_channel().await.map_err(BrokerError::lost)?))
        };
        let (total, channel) = connection::in_time(opening).await?;
        let mut hold = Self { held: Vec::new(), unseen: 0, queue, connection, channel };
        if total > 0 {
            hold.consume(stage, total.min(MOST)).await?;
        }
        hold.unseen = total.saturating_sub(hold.held.len());
        Ok(hold)
    }

    // Exactly `wanted` letters may be delivered. Those that die meanwhile stay in the queue, behind
    // the returned ones.
    async fn consume(&mut self, stage: &StageName, wanted: usize) -> Result<(), BrokerError> {
        let (channel, queue) = (&self.channel, self.queue.as_str());
        let prefetch = u16::try_from(wanted).unwrap_or(u16::MAX);
        let consuming = queue_consumer::subscribe(channel, queue, prefetch);
        let mut consumer = connection::in_time(consuming).await?;
        while self.held.len() < wanted {
            let Ok(Some(message)) = tokio::time::timeout(IDLE, consumer.next()).await else {
                break;
            };
            let message = message.map_err(BrokerError::lost)?;
            self.held.push(HeldLetter {
                letter: DeadLetter::read(stage, &message),
                acker: message.acker,
            });
        }
        let cancelling = channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
        connection::in_time(async { cancelling.await.map_err(BrokerError::lost) }).await
    }

    /// How many more letters there were.
    pub(super) fn unseen(&self) -> usize {
        self.unseen
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Returns all letters but the `settled` ones to the queue, and waits until the broker counts
    /// them again, so that the next reader does not find half of them.
    pub(super) async fn release(self, settled: usize) -> (Vec<HeldLetter>, usize) {
        let back = self.held.len().saturating_sub(settled);
        let returning = async {
            self.channel.close(200, "returned".into()).await.map_err(BrokerError::lost)?;
            while (depth(&self.connection, &self.queue).await?.unwrap_or(0) as usize) < back {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok::<(), BrokerError>(())
        };
        if !matches!(tokio::time::timeout(RETURN_LIMIT, returning).await, Ok(Ok(()))) {
            tracing::debug!(
                queue = self.queue,
                "the broker does not count all letters that were returned"
            );
        }
        connection::close(self.connection).await;
        (self.held, self.unseen)
    }
}

// Quorum queues ignore the `exclusive` flag of consumers (seen on RabbitMQ 3.10), so an exclusive
// queue is the lock: it disappears with its connection, however that ends.
async fn lock(connection: &Connection, queue: &str) -> Result<(), BrokerError> {
    let name = format!("{queue}.reader");
    let begun = Instant::now();
    loop {
        let channel = connection::in_time(async {
            connection.create_channel().await.map_err(BrokerError::lost)
        })
        .await?;
        let options =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        let declaring = async {
            Ok(channel
                .queue_declare(name.as_str().into(), options, FieldTable::default())
                .await
                .map_err(|error| refusal(&error)))
        };
        match connection::in_time(declaring).await? {
            Ok(_) => return Ok(()),
            Err(Some(AMQPSoftError::RESOURCELOCKED)) if begun.elapsed() < WAIT => {
                tokio::time::sleep(ASK_AGAIN).await
            }
            Err(Some(AMQPSoftError::RESOURCELOCKED)) => {
                return Err(BrokerError::Busy(queue.to_owned()));
            }
            // A user that may not declare queues may still read.
            Err(Some(AMQPSoftError::ACCESSREFUSED)) => {
                tracing::debug!(
                    name,
                    "the broker's user may not make this queue: two readers at once see half each"
                );
                return Ok(());
            }
            Err(_) => return Err(BrokerError::Lost("while the dead letters were locked".into())),
        }
    }
}

fn refusal(error: &lapin::Error) -> Option<AMQPSoftError> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(soft) => Some(soft.clone()),
            AMQPErrorKind::Hard(_) => None,
        },
        _ => None,
    }
}
