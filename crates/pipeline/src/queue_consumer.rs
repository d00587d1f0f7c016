//! One AMQP consumer on one queue, and how a consumer is noticed that the broker has forgotten.

use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use tokio::time::Interval;

use crate::connection::{self, BrokerError};

const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
// After a confirmed cancel, a message that has arrived is yielded at once.
const LAST_MESSAGES: Duration = Duration::from_millis(100);
const STALL_CHECK: Duration = Duration::from_secs(10);

/// Starts consuming a queue over this channel, with at most `prefetch` unsettled messages.
pub(crate) async fn subscribe(
    channel: &Channel,
    queue: &str,
    prefetch: u16,
) -> Result<Consumer, BrokerError> {
    channel.basic_qos(prefetch, BasicQosOptions::default()).await.map_err(BrokerError::lost)?;
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let consuming = channel.basic_consume(queue.into(), "".into(), options, arguments);
    consuming.await.map_err(|error| BrokerError::topology("queue", queue, error))
}

/// Closes a channel. The answer to the close is the only proof that its acks have arrived.
pub(crate) async fn close(channel: &Channel) {
    let closing = channel.close(200, "finished".into());
    if tokio::time::timeout(CLOSE_TIMEOUT, closing).await.is_err() {
        tracing::debug!("the broker did not confirm the close of a channel");
    }
}

/// A consumer with a channel of its own. Dropping it closes the channel and returns its unsettled
/// messages to the queue.
pub(crate) struct QueueConsumer {
    pub(crate) channel: Channel,
    consumer: Consumer,
}

impl QueueConsumer {
    pub(crate) async fn open(
        connection: &Connection,
        queue: &str,
        prefetch: u16,
    ) -> Result<Self, BrokerError> {
        let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
        let consumer = subscribe(&channel, queue, prefetch).await?;
        Ok(Self { channel, consumer })
    }

    /// The next message. The end of the stream is an error too: the broker cancels consumers whose
    /// queue is deleted.
    pub(crate) async fn next(&mut self) -> Result<Delivery, BrokerError> {
        let message = self.consumer.next().await;
        message
            .ok_or_else(|| BrokerError::Lost("the broker cancelled the consumer".into()))?
            .map_err(BrokerError::lost)
    }

    /// Ends the consumer and returns the messages that had arrived before.
    pub(crate) async fn cancel(&mut self) -> Vec<Delivery> {
        let cancel = self.channel.basic_cancel(self.consumer.tag(), BasicCancelOptions::default());
        if !matches!(tokio::time::timeout(CLOSE_TIMEOUT, cancel).await, Ok(Ok(()))) {
            tracing::debug!("the broker did not confirm the cancel");
        }
        // A confirmed cancel ends the stream behind the last message. Without one, only the
        // messages that are here already will come.
        let mut rest = Vec::new();
        while let Ok(Some(Ok(message))) =
            tokio::time::timeout(LAST_MESSAGES, self.consumer.next()).await
        {
            rest.push(message);
        }
        rest
    }
}

/// Notices a stalled consumer: one that gets nothing although messages wait. A queue that was
/// deleted and declared again at once, or that was still starting when the broker had just come up,
/// can leave such a consumer, and nothing tells the client.
pub(crate) struct StallCheck {
    ticker: Interval,
    quiet: bool,
}

impl StallCheck {
    pub(crate) fn new() -> Self {
        Self { ticker: tokio::time::interval(STALL_CHECK), quiet: false }
    }

    /// Waits until it is time to [check](Self::is_stalled).
    pub(crate) async fn due(&mut self) {
        self.ticker.tick().await;
    }

    /// A message came, or nothing is consumed: the next check does not count.
    pub(crate) fn reset(&mut self) {
        self.quiet = false;
    }

    /// Whether nothing came between two checks, nothing is held, and yet messages wait.
    pub(crate) async fn is_stalled(
        &mut self,
        holds_nothing: bool,
        messages_wait: impl Future<Output = Result<bool, BrokerError>>,
    ) -> Result<bool, BrokerError> {
        let quiet = std::mem::replace(&mut self.quiet, true);
        Ok(quiet && holds_nothing && connection::in_time(messages_wait).await?)
    }
}
