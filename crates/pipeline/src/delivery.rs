//! One message on loan from the broker, and how the loan ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lapin::Acker;
use lapin::types::FieldTable;

use crate::stage_name::StageName;
use crate::topology::Topology;
use crate::{ack, headers};

/// From which of a stage's queues a delivery came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobQueue {
    /// Fresh jobs.
    Work,
    /// Sweep and replay.
    Bulk,
    /// Jobs that crashed workers held, one at a time.
    Suspect,
}

impl JobQueue {
    /// Name of the queue.
    pub fn name(self, topology: &Topology, stage: &StageName) -> String {
        match self {
            Self::Work => topology.work_queue(stage),
            Self::Bulk => topology.bulk_queue(stage),
            Self::Suspect => topology.suspect_queue(stage),
        }
    }
}

/// Counts the deliveries on loan over one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoanCounter(Arc<AtomicUsize>);

impl LoanCounter {
    /// Whether nothing is on loan.
    pub(crate) fn is_zero(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }

    fn count(&self) -> CountedLoan {
        self.0.fetch_add(1, Ordering::AcqRel);
        CountedLoan(self.clone())
    }
}

/// One loan, counted until it is dropped.
#[derive(Debug)]
struct CountedLoan(LoanCounter);

impl Drop for CountedLoan {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
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
    pub queue: JobQueue,
    /// Failed attempts so far (`bl-attempt`).
    pub attempt: u32,
    /// Workers that ended, or lost their connection, while they held this message: as many as the
    /// broker has counted since it was last published (`x-delivery-count`), and those before
    /// (`bl-crashes`).
    pub crashes: u32,
    /// Our own headers as text: those whose name begins with `bl-`.
    pub headers: Vec<(String, String)>,
    own: FieldTable,
    acker: Acker,
    _loan: CountedLoan,
}

impl Delivery {
    pub(crate) fn new(
        message: lapin::message::Delivery,
        queue: JobQueue,
        loans: &LoanCounter,
    ) -> Self {
        let redelivered = if message.redelivered { "true" } else { "false" };
        metrics::counter!("bucketlens_deliveries_total", "redelivered" => redelivered).increment(1);
        let all = message.properties.headers().clone().unwrap_or_default();
        let message_id = message.properties.message_id().as_ref().map(|id| id.to_string());
        let crashes = headers::number(&all, "x-delivery-count")
            .saturating_add(headers::number(&all, headers::CRASHES));
        let own = headers::ours(&all);
        let texts = own
            .inner()
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), headers::value_text(value)?)));
        Self {
            body: message.data,
            message_id: message_id.unwrap_or_default(),
            queue,
            attempt: headers::number(&own, headers::ATTEMPT),
            crashes,
            headers: texts.collect(),
            own,
            acker: message.acker,
            _loan: loans.count(),
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
        ack::ack_or_count(&self.acker).await;
    }

    /// Returns the message to its queue for another delivery. The broker counts that like a crash;
    /// `Settler::republish` does not.
    pub(crate) async fn requeue(self) {
        ack::requeue_or_count(&self.acker).await;
    }
}
