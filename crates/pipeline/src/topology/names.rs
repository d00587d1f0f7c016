//! The names of all exchanges and queues.

use std::time::Duration;

use crate::stage_name::StageName;

/// The retry ladder: name and delay of each retry queue. After its n-th failure a job waits in the
/// n-th queue; after the last it is dead. There is one queue per delay, because in a queue with
/// mixed delays a long one holds back the short ones behind it.
pub const RETRY_LADDER: [(&str, Duration); 5] = [
    ("5s", Duration::from_secs(5)),
    ("30s", Duration::from_secs(30)),
    ("2m", Duration::from_secs(120)),
    ("10m", Duration::from_secs(600)),
    ("1h", Duration::from_secs(3600)),
];

/// Names of all exchanges and queues below one namespace.
#[derive(Debug, Clone)]
pub struct Topology {
    namespace: String,
}

impl Topology {
    /// Names below `namespace`, e.g. `bucketlens.v1`.
    pub fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned() }
    }

    /// Direct exchange in front of the work, bulk and suspect queues.
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

    /// Queue of suspects: jobs that crashed workers held. They are worked on one at a time.
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

    /// Queue in which a failed job waits; `step` indexes [`RETRY_LADDER`].
    pub fn retry_queue(&self, stage: &StageName, step: usize) -> String {
        let (name, _) = RETRY_LADDER[step.min(RETRY_LADDER.len() - 1)];
        format!("{}.{stage}.retry.{name}", self.namespace)
    }

    /// Queue of jobs that cannot succeed, each with its reason.
    pub fn dead_queue(&self, stage: &StageName) -> String {
        format!("{}.{stage}.dead", self.namespace)
    }
}
