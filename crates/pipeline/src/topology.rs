//! Exchanges and queues: one table of names, one place that declares them.
//!
//! Everything is durable, every argument explicit, and arguments are part of the contract: changing
//! one means a new version in the namespace, because the broker refuses (406) a declaration that
//! differs.

use std::time::Duration;

use lapin::options::{
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Connection, ExchangeKind};
use serde::{Deserialize, Serialize};

use crate::connection::BrokerError;
use crate::stage_name::StageName;

/// What a process does about exchanges and queues when it connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TopologyMode {
    /// Create what is missing; fail where something exists with other arguments.
    Declare,
    /// Fail where something is missing.
    Verify,
    /// Ask nothing.
    Skip,
}

/// The retry ladder: name and delay of each rung. Attempt n waits on rung n; after the last the job
/// is dead. One queue per delay, because in a queue with mixed delays a long one holds back the
/// short ones behind it.
pub const RETRY_LADDER: [(&str, Duration); 5] = [
    ("5s", Duration::from_secs(5)),
    ("30s", Duration::from_secs(30)),
    ("2m", Duration::from_secs(120)),
    ("10m", Duration::from_secs(600)),
    ("1h", Duration::from_secs(3600)),
];

// Broker-side last net for jobs that crash worker after worker; our own attempts are counted in
// `bl-attempt`.
const DELIVERY_LIMIT: i64 = 20;
// Listing dead letters counts as delivery, so their limit must be out of reach. Never -1: RabbitMQ
// 3.10 then drops the message at its first requeue.
const DEAD_DELIVERY_LIMIT: i64 = 2_147_483_647;
const RETRY_DELIVERY_LIMIT: i64 = 1_000_000;
// A wall against a runaway producer: publishers then wait.
const MAX_LENGTH: i64 = 5_000_000;
// Notifications are small and only hints: when this many wait, the store may keep or drop what it
// wants to add.
const MAX_EVENTS: i64 = 1_000_000;

/// Names of all exchanges and queues below one namespace.
#[derive(Debug, Clone)]
pub struct Topology {
    namespace: String,
}

/// Ready messages per kind of queue of one stage; `None` where the queue does not exist.
#[derive(Default, Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Depths {
    /// Waiting in the work queue.
    pub work: Option<u32>,
    /// Waiting in the bulk queue.
    pub bulk: Option<u32>,
    /// Waiting for their delay to pass.
    pub retry: Option<u32>,
    /// Have crashed workers, waiting to be worked on one at a time.
    pub suspect: Option<u32>,
    /// Parked with a reason.
    pub dead: Option<u32>,
}

impl Topology {
    /// Names below `namespace`, e.g. `bucketlens.v1`.
    pub fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned() }
    }

    /// Direct exchange in front of the work and bulk queues.
    pub fn work_exchange(&self) -> String {
        format!("{}.work", self.namespace)
    }

    /// Direct exchange in front of the dead queues; routing key is the stage.
    pub fn dead_exchange(&self) -> String {
        format!("{}.dead", self.namespace)
    }

    /// Queue of fresh jobs; its routing key is the stage's name.
    pub fn work_queue(&self, stage: &StageName) -> String {
        format!("{}.{stage}", self.namespace)
    }

    /// Queue of sweep and replay traffic, which yields to fresh jobs.
    pub fn bulk_queue(&self, stage: &StageName) -> String {
        format!("{}.{stage}.bulk", self.namespace)
    }

    /// Routing key of [`Self::bulk_queue`] at the work exchange.
    pub fn bulk_key(stage: &StageName) -> String {
        format!("{stage}.bulk")
    }

    /// Queue of jobs that were on loan to workers that crashed, worked on one at a time.
    pub fn suspect_queue(&self, stage: &StageName) -> String {
        format!("{}.{stage}.suspect", self.namespace)
    }

    /// Routing key of [`Self::suspect_queue`] at the work exchange.
    pub fn suspect_key(stage: &StageName) -> String {
        format!("{stage}.suspect")
    }

    /// Fanout exchange, and queue behind it, into which a store may push its notifications.
    pub fn events(&self) -> String {
        format!("{}.s3events", self.namespace)
    }

    /// Queue in which a failed job waits; `rung` indexes [`RETRY_LADDER`].
    pub fn retry_queue(&self, stage: &StageName, rung: usize) -> String {
        let (name, _) = RETRY_LADDER[rung.min(RETRY_LADDER.len() - 1)];
        format!("{}.{stage}.retry.{name}", self.namespace)
    }

    /// Queue of jobs that cannot succeed, each with its reason.
    pub fn dead_queue(&self, stage: &StageName) -> String {
        format!("{}.{stage}.dead", self.namespace)
    }

    /// Makes sure that the exchanges and the stages' queues exist, as `mode` says.
    ///
    /// # Errors
    /// The broker refused a declaration or something is missing; the message names it.
    pub async fn ensure(
        &self,
        connection: &Connection,
        mode: TopologyMode,
        stages: &[StageName],
    ) -> Result<(), BrokerError> {
        if mode == TopologyMode::Skip {
            return Ok(());
        }
        for exchange in [self.work_exchange(), self.dead_exchange()] {
            declare_exchange(connection, &exchange, ExchangeKind::Direct, mode).await?;
        }
        for stage in stages {
            for queue in self.queues(stage) {
                queue.declare(connection, mode).await?;
            }
        }
        Ok(())
    }

    /// Makes sure that the exchange and the queue for the store's notifications exist, as `mode`
    /// says.
    ///
    /// The exchange has no arguments, because MinIO declares it too, with none. The queue has no
    /// dead-letter exchange on purpose: a notification that 20 lost connections have met is
    /// deleted, and the next listing finds what it named.
    ///
    /// # Errors
    /// The broker refused a declaration or something is missing; the message names it.
    pub async fn ensure_events(
        &self,
        connection: &Connection,
        mode: TopologyMode,
    ) -> Result<(), BrokerError> {
        if mode == TopologyMode::Skip {
            return Ok(());
        }
        declare_exchange(connection, &self.events(), ExchangeKind::Fanout, mode).await?;
        self.events_queue().declare(connection, mode).await
    }

    pub(crate) fn events_queue(&self) -> Queue {
        Queue {
            name: self.events(),
            binding: Some((self.events(), String::new())),
            dead_letter_to: None,
            delivery_limit: DELIVERY_LIMIT,
            time_to_live: None,
            max_length: Some(MAX_EVENTS),
        }
    }

    /// Whether any notification waits.
    pub(crate) async fn events_waiting(
        &self,
        connection: &Connection,
    ) -> Result<bool, BrokerError> {
        Ok(depth(connection, &self.events()).await?.unwrap_or(0) > 0)
    }

    pub(crate) fn queues(&self, stage: &StageName) -> Vec<Queue> {
        let (work, dead) = (self.work_exchange(), self.dead_exchange());
        let key = stage.as_str();
        let worked = |name: String, binding: String| Queue {
            name,
            binding: Some((work.clone(), binding)),
            dead_letter_to: Some((dead.clone(), key.to_owned())),
            delivery_limit: DELIVERY_LIMIT,
            time_to_live: None,
            max_length: Some(MAX_LENGTH),
        };
        let mut queues = vec![
            worked(self.work_queue(stage), key.to_owned()),
            worked(self.bulk_queue(stage), Self::bulk_key(stage)),
            worked(self.suspect_queue(stage), Self::suspect_key(stage)),
            Queue {
                name: self.dead_queue(stage),
                binding: Some((dead.clone(), key.to_owned())),
                dead_letter_to: None,
                delivery_limit: DEAD_DELIVERY_LIMIT,
                time_to_live: None,
                max_length: None,
            },
        ];
        queues.extend(RETRY_LADDER.iter().enumerate().map(|(rung, (_, delay))| Queue {
            name: self.retry_queue(stage, rung),
            binding: None,
            dead_letter_to: Some((work.clone(), key.to_owned())),
            delivery_limit: RETRY_DELIVERY_LIMIT,
            time_to_live: Some(*delay),
            max_length: None,
        }));
        queues
    }

    /// Whether anything waits for a worker of the stage.
    pub(crate) async fn waiting(
        &self,
        connection: &Connection,
        stage: &StageName,
    ) -> Result<bool, BrokerError> {
        let work = depth(connection, &self.work_queue(stage)).await?;
        let bulk = depth(connection, &self.bulk_queue(stage)).await?;
        Ok(work.unwrap_or(0) + bulk.unwrap_or(0) > 0)
    }

    /// Number of suspects that wait.
    pub(crate) async fn suspects(
        &self,
        connection: &Connection,
        stage: &StageName,
    ) -> Result<u32, BrokerError> {
        Ok(depth(connection, &self.suspect_queue(stage)).await?.unwrap_or(0))
    }

    /// Empties the bulk queue of a stage; returns how many jobs it held. What workers have in hand
    /// is theirs.
    ///
    /// # Errors
    /// The connection is gone or the broker refuses.
    pub async fn empty_bulk(
        &self,
        connection: &Connection,
        stage: &StageName,
    ) -> Result<u32, BrokerError> {
        let queue = self.bulk_queue(stage);
        let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
        let purged = channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default()).await;
        let purged = purged.map_err(|error| BrokerError::topology("queue", &queue, error))?;
        channel.close(200, "emptied".into()).await.map_err(BrokerError::lost)?;
        Ok(purged)
    }

    /// Deletes all queues of a stage with what waits in them, unless anybody still consumes one of
    /// them. Returns whether they are gone.
    ///
    /// # Errors
    /// The connection is gone or the broker refuses.
    pub async fn remove(
        &self,
        connection: &Connection,
        stage: &StageName,
    ) -> Result<bool, BrokerError> {
        let queues = self.queues(stage);
        // Quorum queues know no "delete if unused".
        for queue in &queues {
            let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
            let options =
                QueueDeclareOptions { passive: true, durable: true, ..Default::default() };
            let found = channel
                .queue_declare(queue.name.as_str().into(), options, FieldTable::default())
                .await;
            if found.is_ok_and(|found| found.consumer_count() > 0) {
                return Ok(false);
            }
        }
        for queue in queues {
            let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
            let deleted = channel
                .queue_delete(queue.name.as_str().into(), QueueDeleteOptions::default())
                .await;
            deleted.map_err(|error| BrokerError::topology("queue", &queue.name, error))?;
            channel.close(200, "deleted".into()).await.map_err(BrokerError::lost)?;
        }
        Ok(true)
    }

    /// Counts what waits in the stage's queues.
    ///
    /// # Errors
    /// The connection is gone; a missing queue is no error.
    pub async fn depths(
        &self,
        connection: &Connection,
        stage: &StageName,
    ) -> Result<Depths, BrokerError> {
        let mut retry = None;
        for rung in 0..RETRY_LADDER.len() {
            if let Some(count) = depth(connection, &self.retry_queue(stage, rung)).await? {
                retry = Some(retry.unwrap_or(0) + count);
            }
        }
        Ok(Depths {
            work: depth(connection, &self.work_queue(stage)).await?,
            bulk: depth(connection, &self.bulk_queue(stage)).await?,
            retry,
            suspect: depth(connection, &self.suspect_queue(stage)).await?,
            dead: depth(connection, &self.dead_queue(stage)).await?,
        })
    }
}

pub(crate) struct Queue {
    pub(crate) name: String,
    binding: Option<(String, String)>,
    dead_letter_to: Option<(String, String)>,
    delivery_limit: i64,
    time_to_live: Option<Duration>,
    max_length: Option<i64>,
}

impl Queue {
    pub(crate) fn arguments(&self) -> FieldTable {
        let text = |value: &str| AMQPValue::LongString(LongString::from(value));
        let mut table = FieldTable::default();
        table.insert("x-queue-type".into(), text("quorum"));
        table.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(self.delivery_limit));
        if let Some((exchange, key)) = &self.dead_letter_to {
            table.insert("x-dead-letter-exchange".into(), text(exchange));
            table.insert("x-dead-letter-routing-key".into(), text(key));
            // At-least-once needs reject-publish; with drop-head the broker silently falls back to
            // at-most-once.
            table.insert("x-dead-letter-strategy".into(), text("at-least-once"));
        }
        if self.dead_letter_to.is_some() || self.max_length.is_some() {
            table.insert("x-overflow".into(), text("reject-publish"));
        }
        if let Some(delay) = self.time_to_live {
            table.insert("x-message-ttl".into(), AMQPValue::LongLongInt(delay.as_millis() as i64));
        }
        if let Some(length) = self.max_length {
            table.insert("x-max-length".into(), AMQPValue::LongLongInt(length));
        }
        table
    }

    // A refused declaration closes its channel, so each queue gets its own.
    async fn declare(
        &self,
        connection: &Connection,
        mode: TopologyMode,
    ) -> Result<(), BrokerError> {
        let refused = |error| BrokerError::topology("queue", &self.name, error);
        let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
        let options = QueueDeclareOptions {
            passive: mode == TopologyMode::Verify,
            durable: true,
            ..Default::default()
        };
        channel
            .queue_declare(self.name.as_str().into(), options, self.arguments())
            .await
            .map_err(refused)?;
        if let (Some((exchange, key)), TopologyMode::Declare) = (&self.binding, mode) {
            let (exchange, key) = (exchange.as_str().into(), key.as_str().into());
            let (options, table) = (QueueBindOptions::default(), FieldTable::default());
            channel
                .queue_bind(self.name.as_str().into(), exchange, key, options, table)
                .await
                .map_err(refused)?;
        }
        channel.close(200, "declared".into()).await.map_err(BrokerError::lost)
    }
}

async fn declare_exchange(
    connection: &Connection,
    name: &str,
    kind: ExchangeKind,
    mode: TopologyMode,
) -> Result<(), BrokerError> {
    let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
    let options = ExchangeDeclareOptions {
        passive: mode == TopologyMode::Verify,
        durable: true,
        ..Default::default()
    };
    channel
        .exchange_declare(name.into(), kind, options, FieldTable::default())
        .await
        .map_err(|error| BrokerError::topology("exchange", name, error))?;
    channel.close(200, "declared".into()).await.map_err(BrokerError::lost)
}

/// Ready messages in a queue; `None` if it does not exist.
pub(crate) async fn depth(
    connection: &Connection,
    queue: &str,
) -> Result<Option<u32>, BrokerError> {
    let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
    let options = QueueDeclareOptions { passive: true, durable: true, ..Default::default() };
    let Ok(state) = channel.queue_declare(queue.into(), options, FieldTable::default()).await
    else {
        return if connection.status().connected() {
            Ok(None)
        } else {
            Err(BrokerError::Lost("while counting".into()))
        };
    };
    let count = state.message_count();
    channel.close(200, "counted".into()).await.map_err(BrokerError::lost)?;
    Ok(Some(count))
}
