//! Publishing with confirms. One task owns the publishing connection, so that delivery tags and
//! confirms cannot be mixed up between callers; a connection that publishes never consumes, because
//! the broker blocks publishers.

use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{join_all, try_join_all};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, Event};
use tokio::sync::{mpsc, oneshot};

use crate::connection::{self, AmqpSettings, BrokerError};
use crate::job::{Job, MESSAGE_TYPE, Origin};
use crate::stage_name::StageName;
use crate::topology::{Topology, TopologyMode};
use service::backoff::Backoff;
use service::health::Health;

// More in flight buys nothing: 256 gave the same rate as 5,000 in measurements.
const WINDOW: usize = 256;
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);
const PERSISTENT: u8 = 2;

/// A message on its way to the broker.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Exchange; empty for the default one, whose routing keys are queue names.
    pub exchange: String,
    /// Routing key.
    pub routing_key: String,
    /// Identity, by which a returned message is recognised.
    pub message_id: String,
    /// Body.
    pub body: Vec<u8>,
    /// Our own `bl-*` headers. Broker `x-*` headers are never forwarded: a kept `x-death` can lose
    /// the message later.
    pub headers: FieldTable,
}

impl Outgoing {
    /// A fresh job for its stage: sweep and replay traffic goes to the bulk queue, everything else
    /// to the work queue.
    pub fn job(topology: &Topology, job: &Job) -> Self {
        let routing_key = match job.origin {
            Origin::Event | Origin::Watch | Origin::Api => job.stage.as_str().to_owned(),
            Origin::Sweep | Origin::Replay => Topology::bulk_key(&job.stage),
        };
        let mut headers = FieldTable::default();
        headers.insert("bl-attempt".into(), AMQPValue::LongLongInt(0));
        headers.insert(
            "bl-origin".into(),
            AMQPValue::LongString(LongString::from(job.origin.as_str())),
        );
        Self {
            exchange: topology.work_exchange(),
            routing_key,
            message_id: job.message_id(),
            body: job.encode(),
            headers,
        }
    }
}

/// A message was not taken by the broker.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// No queue is bound: the topology is not what it should be.
    #[error(
        "no queue takes messages for '{0}': a process with amqp.topology = \"declare\" makes the queues"
    )]
    Unroutable(String),
    /// The publisher has ended.
    #[error("the publisher has stopped")]
    Stopped,
}

struct Request {
    message: Outgoing,
    reply: oneshot::Sender<Result<(), PublishError>>,
}

/// Handle to the publishing task; clones share it. The task ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Publisher {
    requests: mpsc::Sender<Request>,
}

impl Publisher {
    /// Starts the publishing task, which connects by itself and again whenever it must.
    pub fn start(
        settings: AmqpSettings,
        name: String,
        stages: Vec<StageName>,
        health: Health,
    ) -> Self {
        let (requests, inbox) = mpsc::channel(WINDOW);
        let link =
            Link { topology: Topology::new(&settings.namespace), settings, name, stages, health };
        tokio::spawn(link.run(inbox));
        Self { requests }
    }

    /// Publishes and returns once the broker has confirmed. Waits while the broker is away or its
    /// queue is full: that is the back pressure. A crash or reconnect in between may publish twice,
    /// never lose.
    ///
    /// # Errors
    /// No queue is bound for the message, or the publisher has stopped.
    pub async fn publish(&self, message: Outgoing) -> Result<(), PublishError> {
        let (reply, confirmed) = oneshot::channel();
        self.requests.send(Request { message, reply }).await.map_err(|_| PublishError::Stopped)?;
        confirmed.await.map_err(|_| PublishError::Stopped)?
    }
}

struct Link {
    settings: AmqpSettings,
    topology: Topology,
    name: String,
    stages: Vec<StageName>,
    health: Health,
}

impl Link {
    async fn run(self, mut inbox: mpsc::Receiver<Request>) {
        let mut pending = Vec::new();
        let mut backoff = Backoff::default();
        loop {
            match connection::in_time(self.open()).await {
                Ok((connection, channel)) => {
                    self.health.ok("publisher");
                    backoff.reset();
                    match self.serve(&connection, &channel, &mut inbox, &mut pending).await {
                        Ok(()) => return connection::close(connection).await,
                        Err(error) => self.trouble(&error),
                    }
                }
                Err(error) => self.trouble(&error),
            }
            if inbox.is_closed() && pending.is_empty() && inbox.is_empty() {
                return;
            }
            tokio::time::sleep(backoff.pause()).await;
            pending.retain(|request: &Request| !request.reply.is_closed());
        }
    }

    fn trouble(&self, error: &BrokerError) {
        metrics::counter!("bucketlens_broker_reconnects_total", "role" => "publisher").increment(1);
        self.health.trouble("publisher", error.to_string());
        tracing::warn!(%error, "publisher will connect again");
    }

    async fn open(&self) -> Result<(Connection, Channel), BrokerError> {
        let connection =
            connection::connect(&self.settings, &format!("{} publisher", self.name)).await?;
        self.topology.ensure(&connection, self.settings.topology, &self.stages).await?;
        let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(BrokerError::lost)?;
        Ok((connection, channel))
    }

    /// Waits for the confirms of a window. While the broker blocks publishers (memory or disk
    /// alarm) it waits on: a new connection would be blocked as well, and the old one could not
    /// even be closed.
    async fn confirmed(
        &self,
        connection: &Connection,
        window: impl Future<Output = Result<Windowed, BrokerError>>,
    ) -> Result<Windowed, BrokerError> {
        let mut window = pin!(window);
        loop {
            match tokio::time::timeout(CONFIRM_TIMEOUT, &mut window).await {
                Ok(outcome) => {
                    self.health.ok("publisher");
                    return outcome;
                }
                Err(_) if connection.status().blocked() => {
                    self.health.trouble(
                        "publisher",
                        "the broker takes no messages: look for a memory or disk alarm",
                    );
                }
                Err(_) => {
                    return Err(BrokerError::Lost(format!(
                        "no confirm within {CONFIRM_TIMEOUT:?}"
                    )));
                }
            }
        }
    }

    /// Publishes window after window until every handle is gone (`Ok`) or the connection breaks
    /// (`Err`). What is not confirmed stays in `pending` and goes out again on the next connection.
    async fn serve(
        &self,
        connection: &Connection,
        channel: &Channel,
        inbox: &mut mpsc::Receiver<Request>,
        pending: &mut Vec<Request>,
    ) -> Result<(), BrokerError> {
        let mut events = Box::pin(connection.events_listener());
        loop {
            while pending.is_empty() {
                tokio::select! {
                    taken = inbox.recv_many(pending, WINDOW) => if taken == 0 { return Ok(()) },
                    event = events.next() => match event {
                        Some(Event::Error(error)) => return Err(BrokerError::lost(error)),
                        None => return Err(BrokerError::Lost("its event stream ended".into())),
                        Some(_) => {}
                    },
                }
            }
            let Windowed { refused, returned } =
                self.confirmed(connection, window(channel, pending)).await?;
            if returned && self.settings.topology == TopologyMode::Declare {
                // A queue was deleted under us: connect again, which declares it. Not at once,
                // because a queue that comes back within milliseconds can leave its former
                // consumers deaf (seen on RabbitMQ 3.10).
                return Err(BrokerError::Lost("a queue is missing, declaring it again".into()));
            }
            if refused {
                metrics::counter!("bucketlens_publish_refused_total").increment(1);
                tracing::warn!("the broker refuses messages (queue full?), trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
                pending.retain(|request| !request.reply.is_closed());
            }
        }
    }
}

/// What became of a window besides the confirmed.
struct Windowed {
    refused: bool,
    returned: bool,
}

/// Publishes everything pending and answers what was confirmed or returned; what was refused is
/// still pending.
async fn window(channel: &Channel, pending: &mut Vec<Request>) -> Result<Windowed, BrokerError> {
    let publishing = pending.iter().map(|Request { message, .. }| {
        let properties = BasicProperties::default()
            .with_message_id(message.message_id.as_str().into())
            .with_type(MESSAGE_TYPE.into())
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT)
            .with_app_id("bucketlens".into())
            .with_timestamp(jiff::Timestamp::now().as_second().unsigned_abs())
            .with_headers(message.headers.clone());
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let (exchange, key) =
            (message.exchange.as_str().into(), message.routing_key.as_str().into());
        channel.basic_publish(exchange, key, options, &message.body, properties)
    });
    // All at once: a publish returns only when the connection's own thread has written it, and
    // waking that thread and being woken by it once per message would set the pace.
    let confirms = try_join_all(publishing).await.map_err(BrokerError::lost)?;
    // lapin hands a returned message to whichever confirm completes next, so the confirm that
    // carries it says nothing about whose it is. Only when all are in is it known, by message id,
    // which messages came back.
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
    Ok(Windowed { refused: !pending.is_empty(), returned: !returned.is_empty() })
}
