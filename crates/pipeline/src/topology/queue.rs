//! The queues and their arguments.

use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable, LongString};

use super::names::{RETRY_LADDER, Topology};
use crate::stage_name::StageName;

// The broker's own limit, for jobs that crash worker after worker. Failed attempts are counted in
// `bl-attempt`, not here.
const DELIVERY_LIMIT: i64 = 20;
// Listing dead letters counts as delivery, so their limit must be out of reach. Never -1: RabbitMQ
// 3.10 then drops the message at its first requeue.
const DEAD_DELIVERY_LIMIT: i64 = 2_147_483_647;
const RETRY_DELIVERY_LIMIT: i64 = 1_000_000;
// Stops a runaway producer: publishers then wait.
const MAX_LENGTH: i64 = 5_000_000;
// Notifications are small and only hints. When this many wait, the store may keep or drop further
// ones.
const MAX_EVENTS: i64 = 1_000_000;

/// One queue as we declare it.
pub(crate) struct QueueSpec {
    pub(crate) name: String,
    /// Exchange and routing key; `None`: reached through the default exchange only.
    pub(super) binding: Option<(String, String)>,
    dead_letter_to: Option<(String, String)>,
    delivery_limit: i64,
    time_to_live: Option<Duration>,
    max_length: Option<i64>,
}

impl Topology {
    /// All queues of a stage.
    pub(crate) fn queues(&self, stage: &StageName) -> Vec<QueueSpec> {
        let (work, dead) = (self.work_exchange(), self.dead_exchange());
        let key = stage.as_str();
        let consumed = |name: String, binding: String| QueueSpec {
            name,
            binding: Some((work.clone(), binding)),
            dead_letter_to: Some((dead.clone(), key.to_owned())),
            delivery_limit: DELIVERY_LIMIT,
            time_to_live: None,
            max_length: Some(MAX_LENGTH),
        };
        let mut queues = vec![
            consumed(self.work_queue(stage), key.to_owned()),
            consumed(self.bulk_queue(stage), Self::bulk_key(stage)),
            consumed(self.suspect_queue(stage), Self::suspect_key(stage)),
            QueueSpec {
                name: self.dead_queue(stage),
                binding: Some((dead.clone(), key.to_owned())),
                dead_letter_to: None,
                delivery_limit: DEAD_DELIVERY_LIMIT,
                time_to_live: None,
                max_length: None,
            },
        ];
        queues.extend(RETRY_LADDER.iter().enumerate().map(|(step, (_, delay))| QueueSpec {
            name: self.retry_queue(stage, step),
            binding: None,
            dead_letter_to: Some((work.clone(), key.to_owned())),
            delivery_limit: RETRY_DELIVERY_LIMIT,
            time_to_live: Some(*delay),
            max_length: None,
        }));
        queues
    }

    /// The queue of the store's notifications. It has no dead-letter exchange on purpose: a
    /// notification that 20 lost connections have met is deleted, and the next listing finds its
    /// object.
    pub(crate) fn events_queue(&self) -> QueueSpec {
        QueueSpec {
            name: self.events(),
            binding: Some((self.events(), String::new())),
            dead_letter_to: None,
            delivery_limit: DELIVERY_LIMIT,
            time_to_live: None,
            max_length: Some(MAX_EVENTS),
        }
    }
}

impl QueueSpec {
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
}
