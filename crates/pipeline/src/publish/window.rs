//! One window of messages: all are published at once, then all confirms are awaited.

use std::collections::HashSet;

use futures::future::{join_all, try_join_all};
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::oneshot;

use super::message::Outgoing;
use crate::broker_error::BrokerError;
use crate::job::MESSAGE_TYPE;

/// Most messages in flight. More buys nothing: 256 gave the same rate as 5,000 in measurements.
pub(super) const WINDOW: usize = 256;
const PERSISTENT: u8 = 2;

/// A message was not taken by the broker.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// No queue is bound for the message: the topology is incomplete.
    #[error(
        "no queue takes messages for '{0}': \
         a process with amqp.topology = \"declare\" makes the queues"
    )]
    Unroutable(String),
    /// The publisher has ended.
    #[error("the publisher has stopped")]
    Stopped,
}

/// A message, and where its caller waits for the confirm.
pub(super) struct PublishRequest {
    pub(super) message: Outgoing,
    pub(super) reply: oneshot::Sender<Result<(), PublishError>>,
}

/// What happened in a window besides confirmed messages.
pub(super) struct WindowResult {
    /// Messages were refused; they are still pending.
    pub(super) refused: bool,
    /// Messages came back, because no queue is bound for them.
    pub(super) returned: bool,
}

/// Publishes everything pending, and answers the requests whose messages were confirmed or
/// returned. Refused messages stay in `pending`.
pub(super) async fn publish(
    channel: &Channel,
    pending: &mut Vec<PublishRequest>,
) -> Result<WindowResult, BrokerError> {
    let publishing = pending.iter().map(|request| {
        let Outgoing { exchange, routing_key, body, .. } = &request.message;
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let (exchange, routing_key) = (exchange.as_str().into(), routing_key.as_str().into());
        channel.basic_publish(exchange, routing_key, options, body, properties(&request.message))
    });
    // All at once: a publish returns only when the connection's own thread has written it. Waking
    // that thread, and being woken by it, once per message would limit the rate.
    let confirms = try_join_all(publishing).await.map_err(BrokerError::lost)?;
    // lapin attaches a returned message to whichever confirm completes next, so that confirm may
    // belong to another message. Only when all are in do the message ids tell which came back.
    let mut acked = Vec::with_capacity(pending.len());
    let mut returned = HashSet::new();
    for confirmation in join_all(confirms).await {
        let confirmation = confirmation.map_err(BrokerError::lost)?;
        if matches!(confirmation, Confirmation::NotRequested) {
            return Err(BrokerError::Lost("the channel is not in confirm mode".into()));
        }
        acked.push(confirmation.is_ack());
        if let Some(id) = confirmation
            .take_message()
            .and_then(|message| message.delivery.properties.message_id().clone())
        {
            returned.insert(id.to_string());
        }
    }
    let mut refused = Vec::new();
    for (request, acked) in pending.drain(..).zip(acked) {
        if returned.contains(&request.message.message_id) {
            let key = format!("{}/{}", request.message.exchange, request.message.routing_key);
            let _ = request.reply.send(Err(PublishError::Unroutable(key)));
        } else if acked {
            metrics::counter!("bucketlens_published_total").increment(1);
            let _ = request.reply.send(Ok(()));
        } else {
            refused.push(request);
        }
    }
    *pending = refused;
    Ok(WindowResult { refused: !pending.is_empty(), returned: !returned.is_empty() })
}

fn properties(message: &Outgoing) -> BasicProperties {
    BasicProperties::default()
        .with_message_id(message.message_id.as_str().into())
        .with_type(MESSAGE_TYPE.into())
        .with_content_type("application/json".into())
        .with_delivery_mode(PERSISTENT)
        .with_app_id("bucketlens".into())
        .with_timestamp(jiff::Timestamp::now().as_second().unsigned_abs())
        .with_headers(message.headers.clone())
}
