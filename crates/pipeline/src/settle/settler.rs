//! Ends the deliveries of one stage.

use futures::future::join_all;
use lapin::types::FieldTable;

use super::failed;
use super::grace::GracePeriod;
use super::outcome::{FailureRecord, JobOutcome};
use crate::delivery::Delivery;
use crate::headers;
use crate::publish::{Outgoing, Publisher};
use crate::stage_name::StageName;
use crate::topology::{RETRY_LADDER, Topology};

/// Ends the deliveries of one stage. A failed job is published to its next queue and confirmed
/// before the delivery is acked. The broker's own dead-lettering serves crashes only, because only
/// the worker knows the reason of a failure.
#[derive(Debug, Clone)]
pub struct Settler {
    publisher: Publisher,
    topology: Topology,
    stage: StageName,
    worker: String,
    model: String,
}

/// Where a message goes.
struct Destination {
    /// Empty: the default exchange, whose routing keys are queue names.
    exchange: String,
    routing_key: String,
}

impl Settler {
    /// `worker` and `model` are written into every failure's headers.
    pub fn new(
        publisher: Publisher,
        topology: Topology,
        stage: StageName,
        worker: String,
        model: String,
    ) -> Self {
        Self { publisher, topology, stage, worker, model }
    }

    /// Ends the delivery; `false` if a failed job could not be published and was requeued instead.
    pub(crate) async fn settle(
        &self,
        delivery: Delivery,
        mut outcome: JobOutcome,
        grace: &GracePeriod,
    ) -> bool {
        if let JobOutcome::Failed(record) = &mut outcome {
            record.retry &= (delivery.attempt as usize) < RETRY_LADDER.len();
            let message = self.failed(&delivery, record);
            if let Err(error) = grace.publish(&self.publisher, message).await {
                tracing::error!(%error, "a failed job could not be published, it is requeued");
                delivery.requeue().await;
                return false;
            }
        }
        let (stage, outcome) = (self.stage.as_str().to_owned(), outcome.name());
        metrics::counter!("bucketlens_jobs_settled_total", "stage" => stage, "outcome" => outcome)
            .increment(1);
        delivery.ack().await;
        true
    }

    /// Moves jobs that crashed workers held to the suspect queue.
    pub(crate) async fn move_to_suspects(&self, deliveries: Vec<Delivery>, grace: &GracePeriod) {
        // The deliveries of a lost connection are with the broker already.
        let deliveries = deliveries.into_iter().filter(Delivery::on_loan);
        join_all(deliveries.map(|delivery| async {
            let Delivery { message_id, crashes, .. } = &delivery;
            tracing::warn!(job.id = message_id, crashes, "job will be worked on alone");
            let mut table = delivery.own_headers().clone();
            headers::set_number(&mut table, headers::CRASHES, 0);
            headers::set_number(&mut table, headers::SUSPECTED, delivery.crashes);
            let to = Destination {
                exchange: self.topology.work_exchange(),
                routing_key: Topology::suspect_key(&self.stage),
            };
            if self.move_to(delivery, to, table, grace).await {
                let stage = self.stage.as_str().to_owned();
                metrics::counter!("bucketlens_suspects_total", "stage" => stage).increment(1);
            }
        }))
        .await;
    }

    /// Publishes jobs to the queues they came from. The broker would count every other way of
    /// returning them like a crash.
    pub(crate) async fn republish(&self, deliveries: Vec<Delivery>, grace: &GracePeriod) {
        let deliveries = deliveries.into_iter().filter(Delivery::on_loan);
        let moved = join_all(deliveries.map(|delivery| {
            let mut table = delivery.own_headers().clone();
            if delivery.crashes > 0 {
                headers::set_number(&mut table, headers::CRASHES, delivery.crashes);
            }
            let routing_key = delivery.queue.name(&self.topology, &self.stage);
            let to = Destination { exchange: String::new(), routing_key };
            self.move_to(delivery, to, table, grace)
        }))
        .await;
        if !moved.is_empty() {
            let published = moved.iter().filter(|moved| **moved).count();
            metrics::counter!("bucketlens_handed_back_total").increment(moved.len() as u64);
            tracing::info!(jobs = moved.len(), published, "republished unfinished jobs");
        }
    }

    /// Publishes a delivered message again, then acks the delivery. If it cannot be published, the
    /// delivery is requeued, and the result is `false`.
    async fn move_to(
        &self,
        delivery: Delivery,
        to: Destination,
        headers: FieldTable,
        grace: &GracePeriod,
    ) -> bool {
        let message = outgoing(&delivery, to, headers);
        match grace.publish(&self.publisher, message).await {
            Ok(()) => {
                delivery.ack().await;
                true
            }
            Err(error) => {
                let job = &delivery.message_id;
                tracing::warn!(%error, job.id = job, "a job cannot be republished, it is requeued");
                delivery.requeue().await;
                false
            }
        }
    }

    fn failed(&self, delivery: &Delivery, record: &FailureRecord) -> Outgoing {
        let FailureRecord { retry, class, reason } = record;
        let to = if *retry {
            let step = delivery.attempt as usize;
            let routing_key = self.topology.retry_queue(&self.stage, step);
            Destination { exchange: String::new(), routing_key }
        } else {
            let routing_key = self.stage.as_str().to_owned();
            Destination { exchange: self.topology.dead_exchange(), routing_key }
        };
        tracing::warn!(
            stage = %self.stage,
            job.id = delivery.message_id,
            attempt = delivery.attempt + 1,
            class,
            reason,
            "job {}",
            if *retry { "will be tried again" } else { "is dead" }
        );
        outgoing(delivery, to, failed::headers_after(delivery, record, &self.worker, &self.model))
    }
}

fn outgoing(delivery: &Delivery, to: Destination, headers: FieldTable) -> Outgoing {
    Outgoing {
        exchange: to.exchange,
        routing_key: to.routing_key,
        message_id: delivery.message_id.clone(),
        body: delivery.body.clone(),
        headers,
    }
}
