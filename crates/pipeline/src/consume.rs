//! Consuming: deliveries on loan from the broker, from the work queue first and the bulk queue in
//! between, and suspects one at a time when asked for.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Event};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connection::{self, AmqpSettings, BrokerError};
pub use crate::delivery::{Delivery, Lane};
use crate::stage_name::StageName;
use crate::topology::Topology;
use service::backoff::Backoff;
use service::health::Health;

// Every fourth delivery is taken from the bulk queue first, so that a backfill goes on under live
// load.
const BULK_SHARE: u32 = 4;
// Between two looks at whether a consumer that gets nothing should get something.
const IDLE_CHECK: Duration = Duration::from_secs(10);
const CANCEL_TIMEOUT: Duration = Duration::from_secs(3);
// Between two looks at whether suspects wait.
const SUSPECT_CHECK: Duration = Duration::from_secs(2);
/// How long suspects may keep everything else waiting at a time: one at a time is slow, and after a
/// broken node there may be many.
pub(crate) const SUSPECT_ROUND: Duration = Duration::from_secs(30);

/// Whose queues a process consumes, and how.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The broker.
    pub amqp: AmqpSettings,
    /// Shown in the broker's list of connections.
    pub name: String,
    /// Which stage's queues.
    pub stage: StageName,
}

/// The consuming side of one stage. A task owns the connection and connects again whenever it must;
/// deliveries of a lost connection are delivered again by the broker.
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
    /// Starts consuming. Call it only once the process can work: what is delivered counts as begun.
    pub fn start(&self, health: Health) -> Consumer {
        Consumer::start(self.amqp.clone(), self.name.clone(), self.stage.clone(), health)
    }
}

impl Consumer {
    /// Starts consuming. Call it only once the process can work: what is delivered counts as begun.
    pub fn start(settings: AmqpSettings, name: String, stage: StageName, health: Health) -> Self {
        let (stop, close) = (CancellationToken::new(), CancellationToken::new());
        let (outbox, deliveries) = mpsc::unbounded_channel();
        let (asking, asked) = mpsc::channel(1);
        let (waiting, waits) = watch::channel(false);
        let topology = Topology::new(&settings.namespace);
        let link = Link {
            settings,
            topology,
            name,
            stage,
            health,
            suspects: waiting,
            stop: stop.clone(),
            close: close.clone(),
        };
        let task = tokio::spawn(link.run(outbox, asked));
        Self {
            deliveries,
            suspects: Suspects { waits, asking, not_before: Instant::now() },
            stop,
            close,
            task,
        }
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

    /// Closes the connection; what is unsettled goes back to its queue.
    pub async fn close(self) {
        self.stop.cancel();
        self.close.cancel();
        drop(self.deliveries);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the consuming task failed");
        }
    }
}

/// The suspect queue. Unlike the others it is not consumed but asked, so that a suspect is on loan
/// only while nothing else is being worked on: what a crash is charged to is then the suspect
/// alone.
#[derive(Debug, Clone)]
pub(crate) struct Suspects {
    waits: watch::Receiver<bool>,
    asking: mpsc::Sender<oneshot::Sender<Option<Delivery>>>,
    not_before: Instant,
}

impl Suspects {
    /// Waits until there are suspects, and until the others had their turn.
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep_until(self.not_before).await;
        if self.waits.wait_for(|waits| *waits).await.is_err() {
            std::future::pending().await
        }
    }

    /// The next suspect; `None` if there is none, or the consumer was stopped.
    pub(crate) async fn take(&self) -> Option<Delivery> {
        let (reply, suspect) = oneshot::channel();
        self.asking.send(reply).await.ok()?;
        suspect.await.ok()?
    }

    /// Gives the others a turn.
    pub(crate) fn yield_turn(&mut self) {
        self.not_before = Instant::now() + SUSPECT_CHECK;
    }
}

struct Link {
    settings: AmqpSettings,
    topology: Topology,
    name: String,
    stage: StageName,
    health: Health,
    // Whether suspects wait, as last seen.
    suspects: watch::Sender<bool>,
    stop: CancellationToken,
    close: CancellationToken,
}

type Asked = mpsc::Receiver<oneshot::Sender<Option<Delivery>>>;

impl Link {
    async fn run(self, outbox: mpsc::UnboundedSender<Delivery>, mut asked: Asked) {
        let mut backoff = Backoff::default();
        while !self.stop.is_cancelled() {
            let connected = tokio::select! {
                connected = connection::in_time(self.open()) => connected,
                () = self.stop.cancelled() => return,
            };
            let ended = match connected {
                Ok(mut open) => {
                    self.health.ok("consumer");
                    backoff.reset();
                    let ended = self.serve(&mut open, &outbox, &mut asked).await;
                    if ended.is_ok() {
                        return self.end(open, outbox).await;
                    }
                    ended
                }
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                metrics::counter!("bucketlens_broker_reconnects_total", "role" => "consumer")
                    .increment(1);
                self.health.trouble("consumer", error.to_string());
                tracing::warn!(%error, stage = %self.stage, "consumer will connect again");
                tokio::select! {
                    () = tokio::time::sleep(backoff.pause()) => {}
                    () = self.stop.cancelled() => return,
                }
            }
        }
    }

    async fn open(&self) -> Result<Open, BrokerError> {
        let connection =
            connection::connect(&self.settings, &format!("{} consumer", self.name)).await?;
        self.topology
            .ensure(&connection, self.settings.topology, std::slice::from_ref(&self.stage))
            .await?;
        self.look_for_suspects(&connection).await?;
        let suspects = connection.create_channel().await.map_err(BrokerError::lost)?;
        Ok(Open { connection, suspects, lanes: None })
    }

    async fn look_for_suspects(&self, connection: &Connection) -> Result<(), BrokerError> {
        let waiting = self.topology.suspects(connection, &self.stage).await? > 0;
        self.suspects.send_if_modified(|waits| std::mem::replace(waits, waiting) != waiting);
        Ok(())
    }

    /// Forwards deliveries until told to stop (`Ok`) or the connection breaks (`Err`).
    async fn serve(
        &self,
        open: &mut Open,
        outbox: &mpsc::UnboundedSender<Delivery>,
        asked: &mut Asked,
    ) -> Result<(), BrokerError> {
        let Open { connection, suspects, lanes } = open;
        let mut events = Box::pin(connection.events_listener());
        let begun = Instant::now();
        let mut turn = 0u32;
        let loan = Arc::new(());
        let mut check = tokio::time::interval(IDLE_CHECK);
        let mut look = tokio::time::interval(SUSPECT_CHECK);
        let mut idle = false;
        loop {
            // What is prefetched is charged for a crash as well, so after a crash nothing is until
            // the suspects are through.
            if lanes.is_none() && (!*self.suspects.borrow() || begun.elapsed() > SUSPECT_ROUND) {
                *lanes = Some(connection::in_time(Lanes::open(connection, self)).await?);
            }
            turn = turn.wrapping_add(1);
            let (lane, message) = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                Some(reply) = asked.recv() => {
                    let suspect = connection::in_time(self.suspect(suspects)).await?;
                    self.suspects.send_if_modified(|waits| std::mem::replace(waits, suspect.is_some()) != suspect.is_some());
                    idle = false;
                    let suspect = suspect.map(|message| Delivery::new(message, Lane::Suspect, &loan));
                    if let Err(Some(unwanted)) = reply.send(suspect) {
                        unwanted.requeue().await;
                    }
                    continue;
                }
                message = Lanes::next(lanes, turn.is_multiple_of(BULK_SHARE)) => message?,
                event = events.next() => match event {
                    Some(Event::Error(error)) => return Err(BrokerError::lost(error)),
                    None => return Err(BrokerError::Lost("its event stream ended".into())),
                    Some(_) => continue,
                },
                _ = look.tick() => {
                    connection::in_time(self.look_for_suspects(connection)).await?;
                    continue;
                }
                _ = check.tick() => {
                    // A queue that was deleted and declared again at once, or that was still coming
                    // up when the broker had just started, can leave a consumer that never gets
                    // anything and is never told.
                    let nothing_on_loan = Arc::strong_count(&loan) == 1;
                    if idle && nothing_on_loan && connection::in_time(self.topology.waiting(connection, &self.stage)).await? {
                        return Err(BrokerError::Lost("jobs wait, but the broker delivers none".into()));
                    }
                    idle = lanes.is_some();
                    continue;
                }
            };
            idle = false;
            if outbox.send(Delivery::new(message, lane, &loan)).is_err() {
                return Ok(());
            }
        }
    }

    async fn suspect(
        &self,
        channel: &Channel,
    ) -> Result<Option<lapin::message::Delivery>, BrokerError> {
        let queue = self.topology.suspect_queue(&self.stage);
        let got = channel.basic_get(queue.as_str().into(), BasicGetOptions::default()).await;
        Ok(got
            .map_err(|error| BrokerError::topology("queue", &queue, error))?
            .map(|message| message.delivery))
    }

    /// Takes no more, hands out what had arrived, and closes once all of it is settled.
    async fn end(&self, open: Open, outbox: mpsc::UnboundedSender<Delivery>) {
        let Open { connection, suspects, mut lanes } = open;
        if let Some(lanes) = &mut lanes {
            let loan = Arc::new(());
            for (lane, message) in lanes.cancel().await {
                let _ = outbox.send(Delivery::new(message, lane, &loan));
            }
        }
        drop(outbox);
        // The worker settles what it has begun on this connection; closing it earlier would
        // redeliver all of it.
        self.close.cancelled().await;
        // Only the answer to the close of a channel says that its acks have arrived.
        let feeds = lanes.iter().flat_map(|lanes| [&lanes.work.channel, &lanes.bulk.channel]);
        for channel in feeds.chain([&suspects]) {
            if tokio::time::timeout(CANCEL_TIMEOUT, channel.close(200, "finished".into()))
                .await
                .is_err()
            {
                tracing::debug!("the broker did not confirm the close of a channel");
            }
        }
        connection::close(connection).await;
    }
}

/// An open connection. Dropping a channel would hand back everything that came over it.
struct Open {
    connection: Connection,
    // Asked for suspects.
    suspects: Channel,
    // Open as soon as no suspects wait.
    lanes: Option<Lanes>,
}

struct Lanes {
    work: Feed,
    bulk: Feed,
}

impl Lanes {
    async fn open(connection: &Connection, link: &Link) -> Result<Self, BrokerError> {
        let prefetch = link.settings.prefetch;
        Ok(Self {
            work: Feed::open(connection, &link.topology.work_queue(&link.stage), prefetch).await?,
            bulk: Feed::open(
                connection,
                &link.topology.bulk_queue(&link.stage),
                (prefetch / 2).max(1),
            )
            .await?,
        })
    }

    /// The next message; waits for ever while the lanes are not open.
    async fn next(
        lanes: &mut Option<Self>,
        bulk_first: bool,
    ) -> Result<(Lane, lapin::message::Delivery), BrokerError> {
        let Some(Self { work, bulk }) = lanes else { return std::future::pending().await };
        let (work, bulk) = ((Lane::Work, work), (Lane::Bulk, bulk));
        let ((first_lane, first), (second_lane, second)) =
            if bulk_first { (bulk, work) } else { (work, bulk) };
        tokio::select! {
            biased;
            message = first.consumer.next() => Ok((first_lane, Feed::checked(message)?)),
            message = second.consumer.next() => Ok((second_lane, Feed::checked(message)?)),
        }
    }

    /// Ends the consumers and returns what had arrived before the end.
    async fn cancel(&mut self) -> Vec<(Lane, lapin::message::Delivery)> {
        let mut rest = Vec::new();
        for (lane, feed) in [(Lane::Work, &mut self.work), (Lane::Bulk, &mut self.bulk)] {
            let cancel =
                feed.channel.basic_cancel(feed.consumer.tag(), BasicCancelOptions::default());
            if !matches!(tokio::time::timeout(CANCEL_TIMEOUT, cancel).await, Ok(Ok(()))) {
                tracing::debug!("the broker did not confirm the cancel");
            }
            // A confirmed cancel ends the stream behind the last message; without it, what is here
            // is all there will be.
            while let Ok(Some(Ok(message))) =
                tokio::time::timeout(Duration::from_millis(100), feed.consumer.next()).await
            {
                rest.push((lane, message));
            }
        }
        rest
    }
}

struct Feed {
    channel: Channel,
    consumer: lapin::Consumer,
}

impl Feed {
    async fn open(
        connection: &Connection,
        queue: &str,
        prefetch: u16,
    ) -> Result<Self, BrokerError> {
        let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
        channel.basic_qos(prefetch, BasicQosOptions::default()).await.map_err(BrokerError::lost)?;
        let consumer = channel
            .basic_consume(
                queue.into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .map_err(|error| BrokerError::topology("queue", queue, error))?;
        Ok(Self { channel, consumer })
    }

    // The end of the stream is no clean stop either: the broker cancels consumers whose queue is
    // deleted.
    fn checked(
        message: Option<lapin::Result<lapin::message::Delivery>>,
    ) -> Result<lapin::message::Delivery, BrokerError> {
        message
            .ok_or_else(|| BrokerError::Lost("the broker cancelled the consumer".into()))?
            .map_err(BrokerError::lost)
    }
}
