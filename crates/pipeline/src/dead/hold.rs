//! All of a dead queue in one hand, for a moment.

use std::time::{Duration, Instant};

use futures::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions,
};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;
use lapin::{Acker, Channel, Connection, ErrorKind};

use super::MOST;
use super::letter::DeadLetter;
use crate::connection::{self, AmqpSettings, BrokerError};
use crate::stage_name::StageName;
use crate::topology::{Topology, TopologyMode, depth};

// Longer than a replay holds the queue between two pauses.
const WAIT: Duration = Duration::from_secs(30);
const ASK_AGAIN: Duration = Duration::from_millis(250);
// The broker delivers what it has at once, unless it is very busy; a pause this long means that
// there is less than it counted.
const IDLE: Duration = Duration::from_secs(15);
const RETURN_LIMIT: Duration = Duration::from_secs(30);
const ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// Every letter of a dead queue, on loan. Dropping it hands all of them back.
pub(super) struct Hold {
    /// In the queue's order.
    pub(super) held: Vec<Held>,
    unseen: usize,
    queue: String,
    connection: Connection,
    channel: Channel,
}

/// A letter on loan.
pub(super) struct Held {
    pub(super) letter: DeadLetter,
    acker: Acker,
}

impl Held {
    /// Takes the letter out of the queue; `false` if the broker may not know.
    ///
    /// The broker drops acks that it has not worked on when the channel closes (seen on 3.10), so
    /// even `true` is no proof: whoever must be sure looks again.
    pub(super) async fn settle(&self) -> bool {
        matches!(
            tokio::time::timeout(ACK_TIMEOUT, self.acker.ack(BasicAckOptions::default())).await,
            Ok(Ok(true))
        )
    }
}

impl Hold {
    /// Takes all letters that lie in the queue now, [`MOST`] at most.
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

    // Exactly as many as are wanted may be delivered, and none after them: those that die meanwhile
    // stay in the queue, behind the ones handed back.
    async fn consume(&mut self, stage: &StageName, wanted: usize) -> Result<(), BrokerError> {
        let (channel, queue) = (&self.channel, self.queue.as_str());
        let prefetch = u16::try_from(wanted).unwrap_or(u16::MAX);
        let consuming = async {
            channel
                .basic_qos(prefetch, BasicQosOptions::default())
                .await
                .map_err(BrokerError::lost)?;
            let consuming = channel.basic_consume(
                queue.into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            );
            consuming.await.map_err(|error| BrokerError::topology("queue", queue, error))
        };
        let mut consumer = connection::in_time(consuming).await?;
        while self.held.len() < wanted {
            let Ok(Some(message)) = tokio::time::timeout(IDLE, consumer.next()).await else {
                break;
            };
            let message = message.map_err(BrokerError::lost)?;
            self.held
                .push(Held { letter: DeadLetter::read(stage, &message), acker: message.acker });
        }
        let cancelling = channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
        connection::in_time(async { cancelling.await.map_err(BrokerError::lost) }).await
    }

    /// How many letters there were besides the held ones.
    pub(super) fn unseen(&self) -> usize {
        self.unseen
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Hands back all letters but the `settled` ones, and returns once the broker counts them
    /// again: whoever looks next must not find half of them.
    pub(super) async fn release(self, settled: usize) -> (Vec<Held>, usize) {
        let back = self.held.len().saturating_sub(settled);
        let returning = async {
            self.channel.close(200, "handed back".into()).await.map_err(BrokerError::lost)?;
            while (depth(&self.connection, &self.queue).await?.unwrap_or(0) as usize) < back {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok::<(), BrokerError>(())
        };
        if !matches!(tokio::time::timeout(RETURN_LIMIT, returning).await, Ok(Ok(()))) {
            tracing::debug!(
                queue = self.queue,
                "the broker does not count all letters that were handed back"
            );
        }
        connection::close(self.connection).await;
        (self.held, self.unseen)
    }
}

// Quorum queues ignore the `exclusive` flag of consumers (seen on RabbitMQ 3.10), so a queue that
// belongs to one connection is the lock: it is gone with its connection, however that ends.
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
            // Whoever may not make queues still may look.
            Err(Some(AMQPSoftError::ACCESSREFUSED)) => {
                tracing::debug!(
                    name,
                    "the broker's user may not make this queue: two looks at once see half each"
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
