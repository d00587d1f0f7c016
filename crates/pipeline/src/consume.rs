//! Consuming: deliveries on loan from the broker, from the work queue first and the bulk queue in between.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Event};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::connection::{self, AmqpSettings, Backoff, BrokerError};
use crate::health::Health;
use crate::job::StageName;
use crate::topology::Topology;

// Every fourth delivery is taken from the bulk queue first, so that a backfill goes on under live load.
const BULK_SHARE: u32 = 4;
// Between two looks at whether a consumer that gets nothing should get something.
const IDLE_CHECK: Duration = Duration::from_secs(10);
const CANCEL_TIMEOUT: Duration = Duration::from_secs(3);
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// One message on loan. Dropping it unsettled means redelivery, never success.
#[derive(Debug)]
#[must_use = "an unsettled delivery is redelivered"]
pub struct Delivery {
    /// The body as it came.
    pub body: Vec<u8>,
    /// Identity of the job.
    pub message_id: String,
    /// Failed attempts so far (`bl-attempt`).
    pub attempt: u32,
    /// Our own headers as text: those whose name begins with `bl-`.
    pub headers: Vec<(String, String)>,
    acker: Acker,
    // Counts the deliveries on loan over one connection.
    _loan: Arc<()>,
}

impl Delivery {
    fn new(message: lapin::message::Delivery, loan: &Arc<()>) -> Self {
        let table = message.properties.headers().clone().unwrap_or_default();
        let ours = table.inner().iter().filter(|(name, _)| name.as_str().starts_with("bl-"));
        let headers: Vec<_> = ours.filter_map(|(name, value)| Some((name.to_string(), text(value)?))).collect();
        let attempt = headers.iter().find(|(name, _)| name == "bl-attempt").and_then(|(_, value)| value.parse().ok());
        Self {
            body: message.data,
            message_id: message.properties.message_id().as_ref().map(|id| id.to_string()).unwrap_or_default(),
            attempt: attempt.unwrap_or(0),
            headers,
            acker: message.acker,
            _loan: Arc::clone(loan),
        }
    }

    /// The value of one of our headers.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// Ends the loan: the broker forgets the message.
    pub async fn ack(self) {
        lost_unless(self.acker.ack(BasicAckOptions::default())).await;
    }

    /// Hands the message back for another delivery.
    pub async fn hand_back(self) {
        lost_unless(self.acker.nack(BasicNackOptions { requeue: true, multiple: false })).await;
    }
}

// A settle that does not arrive (its connection is gone) is no error: the broker delivers again and the existence check
// finds the row. It is counted, because many of them mean an unstable connection. One that was under way when the
// connection broke may never be answered at all, hence the limit.
async fn lost_unless(settling: impl Future<Output = lapin::Result<bool>>) {
    if !matches!(tokio::time::timeout(SETTLE_TIMEOUT, settling).await, Ok(Ok(true))) {
        metrics::counter!("bucketlens_settle_lost_total").increment(1);
    }
}

fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        AMQPValue::LongLongInt(number) => Some(number.to_string()),
        AMQPValue::LongInt(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The consuming side of one stage. A task owns the connection and connects again whenever it must; deliveries of a
/// lost connection are delivered again by the broker.
#[derive(Debug)]
pub struct Consumer {
    deliveries: mpsc::Receiver<Delivery>,
    stop: CancellationToken,
    close: CancellationToken,
    task: JoinHandle<()>,
}

impl Consumer {
    /// Starts consuming. Call it only once the process can work: what is delivered counts as begun.
    pub fn start(settings: AmqpSettings, name: String, stage: StageName, health: Health) -> Self {
        let (stop, close) = (CancellationToken::new(), CancellationToken::new());
        let (outbox, deliveries) = mpsc::channel(usize::from(settings.prefetch));
        let topology = Topology::new(&settings.namespace);
        let link = Link { settings, topology, name, stage, health, stop: stop.clone(), close: close.clone() };
        let task = tokio::spawn(link.run(outbox));
        Self { deliveries, stop, close, task }
    }

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

    /// Takes no more deliveries; those on loan can still be settled.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Closes the connection; what is unsettled goes back to its queue.
    pub async fn close(self) {
        self.stop.cancel();
        self.close.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the consuming task failed");
        }
    }
}

struct Link {
    settings: AmqpSettings,
    topology: Topology,
    name: String,
    stage: StageName,
    health: Health,
    stop: CancellationToken,
    close: CancellationToken,
}

impl Link {
    async fn run(self, outbox: mpsc::Sender<Delivery>) {
        let mut backoff = Backoff::default();
        while !self.stop.is_cancelled() {
            let connected = tokio::select! {
                connected = connection::in_time(self.open()) => connected,
                () = self.stop.cancelled() => return,
            };
            let ended = match connected {
                Ok((connection, lanes)) => {
                    self.health.ok("consumer");
                    backoff.reset();
                    self.serve(connection, lanes, &outbox).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                metrics::counter!("bucketlens_broker_reconnects_total", "role" => "consumer").increment(1);
                self.health.trouble("consumer", error.to_string());
                tracing::warn!(%error, stage = %self.stage, "consumer will connect again");
                tokio::select! {
                    () = tokio::time::sleep(backoff.pause()) => {}
                    () = self.stop.cancelled() => return,
                }
            }
        }
    }

    async fn open(&self) -> Result<(Connection, Lanes), BrokerError> {
        let connection = connection::connect(&self.settings, &format!("{} consumer", self.name)).await?;
        self.topology.ensure(&connection, self.settings.topology, std::slice::from_ref(&self.stage)).await?;
        let prefetch = self.settings.prefetch;
        let lanes = Lanes {
            work: Lane::open(&connection, &self.topology.work_queue(&self.stage), prefetch).await?,
            bulk: Lane::open(&connection, &self.topology.bulk_queue(&self.stage), (prefetch / 2).max(1)).await?,
        };
        Ok((connection, lanes))
    }

    /// Forwards deliveries until told to stop (`Ok`) or the connection breaks (`Err`).
    async fn serve(&self, connection: Connection, mut lanes: Lanes, outbox: &mpsc::Sender<Delivery>) -> Result<(), BrokerError> {
        let mut events = Box::pin(connection.events_listener());
        let mut turn = 0u32;
        let loan = Arc::new(());
        let mut check = tokio::time::interval(IDLE_CHECK);
        let mut idle = false;
        loop {
            turn = turn.wrapping_add(1);
            let message = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                message = lanes.next(turn.is_multiple_of(BULK_SHARE)) => message?,
                event = events.next() => match event {
                    Some(Event::Error(error)) => return Err(BrokerError::lost(error)),
                    None => return Err(BrokerError::Lost("its event stream ended".into())),
                    Some(_) => continue,
                },
                _ = check.tick() => {
                    // A queue that was deleted and declared again at once, or that was still coming up when the broker had
                    // just started, can leave a consumer that never gets anything and is never told.
                    let nothing_on_loan = Arc::strong_count(&loan) == 1;
                    if idle && nothing_on_loan && connection::in_time(self.topology.waiting(&connection, &self.stage)).await? {
                        return Err(BrokerError::Lost("jobs wait, but the broker delivers none".into()));
                    }
                    idle = true;
                    continue;
                }
            };
            idle = false;
            metrics::counter!("bucketlens_deliveries_total", "redelivered" => if message.redelivered { "true" } else { "false" })
                .increment(1);
            tokio::select! {
                sent = outbox.send(Delivery::new(message, &loan)) => if sent.is_err() { break },
                () = self.stop.cancelled() => break,
            }
        }
        lanes.cancel().await;
        // The worker settles what it has begun on this connection; closing it earlier would redeliver all of it.
        self.close.cancelled().await;
        connection::close(connection).await;
        Ok(())
    }
}

struct Lanes {
    work: Lane,
    bulk: Lane,
}

impl Lanes {
    async fn next(&mut self, bulk_first: bool) -> Result<lapin::message::Delivery, BrokerError> {
        let (first, second) = if bulk_first { (&mut self.bulk, &mut self.work) } else { (&mut self.work, &mut self.bulk) };
        tokio::select! {
            biased;
            message = first.consumer.next() => Lane::checked(message),
            message = second.consumer.next() => Lane::checked(message),
        }
    }

    async fn cancel(&self) {
        for lane in [&self.work, &self.bulk] {
            let cancel = lane.channel.basic_cancel(lane.consumer.tag(), BasicCancelOptions::default());
            if !matches!(tokio::time::timeout(CANCEL_TIMEOUT, cancel).await, Ok(Ok(()))) {
                tracing::debug!("the broker did not confirm the cancel");
            }
        }
    }
}

struct Lane {
    channel: Channel,
    consumer: lapin::Consumer,
}

impl Lane {
    async fn open(connection: &Connection, queue: &str, prefetch: u16) -> Result<Self, BrokerError> {
        let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
        channel.basic_qos(prefetch, BasicQosOptions::default()).await.map_err(BrokerError::lost)?;
        let consumer = channel
            .basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
            .await
            .map_err(|error| BrokerError::topology("queue", queue, error))?;
        Ok(Self { channel, consumer })
    }

    // The end of the stream is no clean stop either: the broker cancels consumers whose queue is deleted.
    fn checked(message: Option<lapin::Result<lapin::message::Delivery>>) -> Result<lapin::message::Delivery, BrokerError> {
        message.ok_or_else(|| BrokerError::Lost("the broker cancelled the consumer".into()))?.map_err(BrokerError::lost)
    }
}
