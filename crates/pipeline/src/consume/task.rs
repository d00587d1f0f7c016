//! The task that owns the consuming connection of one stage.

use lapin::options::BasicGetOptions;
use lapin::{Channel, Connection};
use service::backoff::Backoff;
use service::health::Health;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::job_consumers::JobConsumers;
use super::subscription::Subscription;
use super::suspects::{SUSPECT_CHECK, SUSPECT_ROUND, SuspectReply, SuspectSource};
use crate::connection::{self, BrokerError};
use crate::delivery::{Delivery, JobQueue, LoanCounter};
use crate::queue_consumer::{self, StallCheck};
use crate::topology::Topology;

pub(super) struct ConsumerTask {
    pub(super) subscription: Subscription,
    pub(super) topology: Topology,
    pub(super) health: Health,
    pub(super) suspects: SuspectSource,
    pub(super) outbox: mpsc::UnboundedSender<Delivery>,
    // Ends the consuming; the connection stays open, so that deliveries can be settled.
    pub(super) stop: CancellationToken,
    // Ends the connection.
    pub(super) close: CancellationToken,
}

/// An open connection. Dropping one of its channels would return everything that came over it.
struct OpenConnection {
    connection: Connection,
    // For asking the suspect queue.
    asking: Channel,
    // Open as soon as no suspects wait.
    jobs: Option<JobConsumers>,
}

impl ConsumerTask {
    pub(super) async fn run(mut self) {
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
                    let ended = self.serve(&mut open).await;
                    if ended.is_ok() {
                        return self.end(open).await;
                    }
                    ended
                }
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                metrics::counter!("bucketlens_broker_reconnects_total", "role" => "consumer")
                    .increment(1);
                self.health.trouble("consumer", error.to_string());
                let stage = &self.subscription.stage;
                tracing::warn!(%error, %stage, "consumer will connect again");
                tokio::select! {
                    () = tokio::time::sleep(backoff.pause()) => {}
                    () = self.stop.cancelled() => return,
                }
            }
        }
    }

    async fn open(&self) -> Result<OpenConnection, BrokerError> {
        let Subscription { amqp, name, stage } = &self.subscription;
        let connection = connection::connect(amqp, &format!("{name} consumer")).await?;
        self.topology.ensure(&connection, amqp.topology, std::slice::from_ref(stage)).await?;
        self.count_suspects(&connection).await?;
        let asking = connection.create_channel().await.map_err(BrokerError::lost)?;
        Ok(OpenConnection { connection, asking, jobs: None })
    }

    async fn count_suspects(&self, connection: &Connection) -> Result<(), BrokerError> {
        let waiting = self.topology.suspects(connection, &self.subscription.stage).await? > 0;
        self.suspects.note(waiting);
        Ok(())
    }

    /// Forwards deliveries until told to stop (`Ok`) or the connection breaks (`Err`).
    async fn serve(&mut self, open: &mut OpenConnection) -> Result<(), BrokerError> {
        let OpenConnection { connection, asking, jobs } = open;
        let begun = Instant::now();
        let loans = LoanCounter::default();
        let mut events = Box::pin(connection.events_listener());
        let mut stall = StallCheck::new();
        let mut count = tokio::time::interval(SUSPECT_CHECK);
        loop {
            // A crash counts against every prefetched job, so nothing is prefetched while suspects
            // are being tried.
            let suspects_first =
                *self.suspects.waiting.borrow() && begun.elapsed() <= SUSPECT_ROUND;
            if jobs.is_none() && !suspects_first {
                *jobs = Some(connection::in_time(self.consume_jobs(connection)).await?);
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                Some(reply) = self.suspects.requests.recv() => {
                    self.answer(asking, reply, &loans).await?;
                    stall.reset();
                }
                job = next_job(jobs) => {
                    let (queue, message) = job?;
                    stall.reset();
                    if self.outbox.send(Delivery::new(message, queue, &loans)).is_err() {
                        return Ok(());
                    }
                }
                error = connection::broken(&mut events) => return Err(error),
                _ = count.tick() => connection::in_time(self.count_suspects(connection)).await?,
                () = stall.due() => {
                    let waiting = self.topology.waiting(connection, &self.subscription.stage);
                    if stall.is_stalled(loans.is_zero(), waiting).await? {
                        let reason = "jobs wait, but the broker delivers none";
                        return Err(BrokerError::Lost(reason.into()));
                    }
                    if jobs.is_none() {
                        stall.reset();
                    }
                }
            }
        }
    }

    async fn consume_jobs(&self, connection: &Connection) -> Result<JobConsumers, BrokerError> {
        let Subscription { amqp, stage, .. } = &self.subscription;
        JobConsumers::open(connection, &self.topology, stage, amqp.prefetch).await
    }

    /// Answers a request for a suspect.
    async fn answer(
        &self,
        channel: &Channel,
        reply: SuspectReply,
        loans: &LoanCounter,
    ) -> Result<(), BrokerError> {
        let message = connection::in_time(self.take_suspect(channel)).await?;
        self.suspects.note(message.is_some());
        let suspect = message.map(|message| Delivery::new(message, JobQueue::Suspect, loans));
        if let Err(Some(unwanted)) = reply.send(suspect) {
            unwanted.requeue().await;
        }
        Ok(())
    }

    async fn take_suspect(
        &self,
        channel: &Channel,
    ) -> Result<Option<lapin::message::Delivery>, BrokerError> {
        let queue = self.topology.suspect_queue(&self.subscription.stage);
        let got = channel.basic_get(queue.as_str().into(), BasicGetOptions::default()).await;
        let got = got.map_err(|error| BrokerError::topology("queue", &queue, error))?;
        Ok(got.map(|message| message.delivery))
    }

    /// Takes no more, forwards what had arrived, and closes once all of it is settled.
    async fn end(self, open: OpenConnection) {
        let OpenConnection { connection, asking, mut jobs } = open;
        if let Some(jobs) = &mut jobs {
            let loans = LoanCounter::default();
            for (queue, message) in jobs.cancel().await {
                let _ = self.outbox.send(Delivery::new(message, queue, &loans));
            }
        }
        drop(self.outbox);
        // The worker settles on this connection what it has begun; closing it earlier would
        // redeliver all of it.
        self.close.cancelled().await;
        if let Some(jobs) = &jobs {
            jobs.close().await;
        }
        queue_consumer::close(&asking).await;
        connection::close(connection).await;
    }
}

/// The next job; waits for ever while no jobs are consumed.
async fn next_job(
    jobs: &mut Option<JobConsumers>,
) -> Result<(JobQueue, lapin::message::Delivery), BrokerError> {
    match jobs {
        Some(jobs) => jobs.next().await,
        None => std::future::pending().await,
    }
}
