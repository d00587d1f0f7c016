//! One message on loan from the broker, and how the loan ends.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::types::{AMQPValue, FieldTable};

use crate::stage_name::StageName;
use crate::topology::Topology;

const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// From which of a stage's queues a delivery came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Fresh jobs.
    Work,
    /// Sweep and replay.
    Bulk,
    /// What has crashed workers, one at a time.
    Suspect,
}

impl Lane {
    /// Name of the queue.
    pub fn queue(self, topology: &Topology, stage: &StageName) -> String {
        match self {
            Self::Work => topology.work_queue(stage),
            Self::Bulk => topology.bulk_queue(stage),
            Self::Suspect => topology.suspect_queue(stage),
        }
    }
}

/// One message on loan. Dropping it unsettled means redelivery, never success.
#[derive(Debug)]
#[must_use = "an unsettled delivery is redelivered"]
pub struct Delivery {
    /// The body as it came.
    pub body: Vec<u8>,
    /// Identity of the job.
    pub message_id: String,
    /// Where it came from.
    pub lane: Lane,
    /// Failed attempts so far (`bl-attempt`).
    pub attempt: u32,
    /// Workers that ended, or lost their connection, while they had this on loan: as the broker
    /// counts since it was last published (`x-delivery-count`), and before that (`bl-crashes`).
    pub crashes: u32,
    /// Our own headers as text: those whose name begins with `bl-`.
    pub headers: Vec<(String, String)>,
    own: FieldTable,
    acker: Acker,
    // Counts the deliveries on loan over one connection.
    _loan: Arc<()>,
}

impl Delivery {
    pub(crate) fn new(message: lapin::message::Delivery, lane: Lane, loan: &Arc<()>) -> Self {
        let redelivered = if message.redelivered { "true" } else { "false" };
        metrics::counter!("bucketlens_deliveries_total", "redelivered" => redelivered).increment(1);
        let table = message.properties.headers().clone().unwrap_or_default();
        let number = |name: &str| {
            table
                .inner()
                .get(name)
                .and_then(text)
                .and_then(|value| value.parse::<u32>().ok())
                .unwrap_or(0)
        };
        let (attempt, crashes) =
            (number("bl-attempt"), number("x-delivery-count").saturating_add(number("bl-crashes")));
        let mut own = FieldTable::default();
        for (name, value) in
            table.inner().iter().filter(|(name, _)| name.as_str().starts_with("bl-"))
        {
            own.insert(name.clone(), value.clone());
        }
        Self {
            body: message.data,
            message_id: message
                .properties
                .message_id()
                .as_ref()
                .map(|id| id.to_string())
                .unwrap_or_default(),
            lane,
            attempt,
            crashes,
            headers: own
                .inner()
                .iter()
                .filter_map(|(name, value)| Some((name.to_string(), text(value)?)))
                .collect(),
            own,
            acker: message.acker,
            _loan: Arc::clone(loan),
        }
    }

    /// Our own headers as they came; the broker's are never sent on.
    pub(crate) fn own_headers(&self) -> &FieldTable {
        &self.own
    }

    /// Whether it can still be settled. Otherwise its connection is gone, and the broker has it
    /// again.
    pub(crate) fn on_loan(&self) -> bool {
        self.acker.usable()
    }

    /// The value of one of our headers.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// Ends the loan: the broker forgets the message.
    pub async fn ack(self) {
        lost_unless(self.acker.ack(BasicAckOptions::default())).await;
    }

    /// Hands the message back for another delivery. The broker counts that like a crash; see
    /// `Settler::hand_back`.
    pub(crate) async fn requeue(self) {
        lost_unless(self.acker.nack(BasicNackOptions { requeue: true, multiple: false })).await;
    }
}

// A settle that does not arrive (its connection is gone) is no error: the broker delivers again and
// the existence check finds the row. It is counted, because many of them mean an unstable
// connection. One that was under way when the connection broke may never be answered at all, hence
// the limit.
async fn lost_unless(settling: impl Future<Output = lapin::Result<bool>>) {
    if !matches!(tokio::time::timeout(SETTLE_TIMEOUT, settling).await, Ok(Ok(true))) {
        metrics::counter!("bucketlens_settle_lost_total").increment(1);
    }
}

/// A header's value as text, if it is text or a whole number.
pub(crate) fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        AMQPValue::LongLongInt(number) => Some(number.to_string()),
        AMQPValue::LongInt(number) => Some(number.to_string()),
        AMQPValue::LongUInt(number) => Some(number.to_string()),
        AMQPValue::ShortInt(number) => Some(number.to_string()),
        _ => None,
    }
}
