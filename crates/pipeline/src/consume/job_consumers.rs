//! The consumers of a stage's work and bulk queues, and which of them comes first.

use lapin::Connection;
use lapin::message::Delivery;

use crate::connection::BrokerError;
use crate::delivery::JobQueue;
use crate::queue_consumer::{self, QueueConsumer};
use crate::stage_name::StageName;
use crate::topology::Topology;

// Every fourth delivery is taken from the bulk queue first, so that a backfill makes progress under
// live load.
const BULK_SHARE: u32 = 4;

/// Both consumers of one connection.
pub(super) struct JobConsumers {
    work: QueueConsumer,
    bulk: QueueConsumer,
    turn: u32,
}

impl JobConsumers {
    /// `prefetch` bounds the unsettled jobs of the work queue; the bulk queue gets half of it.
    pub(super) async fn open(
        connection: &Connection,
        topology: &Topology,
        stage: &StageName,
        prefetch: u16,
    ) -> Result<Self, BrokerError> {
        let bulk_prefetch = (prefetch / 2).max(1);
        Ok(Self {
            work: QueueConsumer::open(connection, &topology.work_queue(stage), prefetch).await?,
            bulk: QueueConsumer::open(connection, &topology.bulk_queue(stage), bulk_prefetch)
                .await?,
            turn: 0,
        })
    }

    /// The next job.
    pub(super) async fn next(&mut self) -> Result<(JobQueue, Delivery), BrokerError> {
        let Self { work, bulk, turn } = self;
        let (work, bulk) = ((JobQueue::Work, work), (JobQueue::Bulk, bulk));
        let bulk_first = turn.wrapping_add(1).is_multiple_of(BULK_SHARE);
        let ((first_queue, first), (second_queue, second)) =
            if bulk_first { (bulk, work) } else { (work, bulk) };
        let job = tokio::select! {
            biased;
            message = first.next() => (first_queue, message?),
            message = second.next() => (second_queue, message?),
        };
        *turn = turn.wrapping_add(1);
        Ok(job)
    }

    /// Ends the consumers and returns the jobs that had arrived before.
    pub(super) async fn cancel(&mut self) -> Vec<(JobQueue, Delivery)> {
        let work = self.work.cancel().await.into_iter().map(|job| (JobQueue::Work, job));
        let mut rest: Vec<_> = work.collect();
        rest.extend(self.bulk.cancel().await.into_iter().map(|job| (JobQueue::Bulk, job)));
        rest
    }

    /// Closes both channels, after which all acks have arrived.
    pub(super) async fn close(&self) {
        queue_consumer::close(&self.work.channel).await;
        queue_consumer::close(&self.bulk.channel).await;
    }
}
