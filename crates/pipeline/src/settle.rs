//! Settling: every delivery ends exactly once, as done, on a rung of the retry ladder, or in the
//! dead queue. Or it does not end: handed back, it waits in its queue as before.

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use lapin::types::{AMQPValue, FieldTable, LongString};
use tokio_util::sync::CancellationToken;

use crate::consume::Delivery;
use crate::failure::{Action, Failure};
use crate::publish::{Outgoing, PublishError, Publisher};
use crate::stage_name::StageName;
use crate::topology::{RETRY_LADDER, Topology};

// What a broker that takes messages at all needs for a confirm, with a margin.
const LAST_WORDS: Duration = Duration::from_secs(5);
// Marks that a job keeps on all its ways: how often an operator replayed it, and which replay it
// belongs to.
const KEPT: [&str; 2] = ["bl-replays", "bl-replay-id"];

// A header frame must fit the broker's frame size (128 KiB), or the connection dies.
const MAX_HEADER_BYTES: usize = 2048;

/// How a job ended, as metrics name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its rows are committed.
    Done,
    /// Its rows were there already.
    Exists,
    /// The object is gone.
    Gone,
    /// The object has other content by now; that content has its own job.
    Superseded,
    /// It failed.
    Failed(FailureRecord),
}

/// The parts of a [`Failure`] that a settled job records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailureRecord {
    retry: bool,
    class: &'static str,
    reason: String,
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        let retry = failure.action != Action::DeadLetter;
        Self::Failed(FailureRecord { retry, class: failure.class, reason: failure.reason })
    }
}

impl Outcome {
    /// Whether the process has shown that it can work.
    pub(crate) fn is_progress(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Exists => "exists",
            Self::Gone => "gone",
            Self::Superseded => "superseded",
            Self::Failed(record) if record.retry => "retried",
            Self::Failed(_) => "dead",
        }
    }
}

/// How long publishing may wait. While work goes on, for as long as the broker takes no messages:
/// that is the back pressure. Once the work has ended, a few seconds, all publishing together: a
/// broker that is out of memory must not keep a process from stopping in time.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    ended: CancellationToken,
    lost: CancellationToken,
}

impl Patience {
    /// Unlimited until `ended`.
    pub(crate) fn until(ended: CancellationToken) -> Self {
        Self { ended, lost: CancellationToken::new() }
    }

    async fn publish(&self, publisher: &Publisher, message: Outgoing) -> Result<(), MoveError> {
        let last_words = async {
            self.ended.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
            self.lost.cancel();
        };
        tokio::select! {
            biased;
            () = self.lost.cancelled() => Err(MoveError::TooLong),
            published = publisher.publish(message) => Ok(published?),
            () = last_words => Err(MoveError::TooLong),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum MoveError {
    #[error(transparent)]
    Refused(#[from] PublishError),
    #[error("the broker took no message within {LAST_WORDS:?}, and this process is to stop")]
    TooLong,
}

/// Settles deliveries of one stage. Failed jobs are published to where they belong and confirmed
/// before the delivery is acked: only the worker knows the reason, so the broker's own
/// dead-lettering is the last net for crashes only.
#[derive(Debug, Clone)]
pub struct Settler {
    publisher: Publisher,
    topology: Topology,
    stage: StageName,
    worker: String,
    model: String,
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

    /// Ends the delivery; `false` if a failed job could not be moved and was handed back instead.
    pub(crate) async fn settle(
        &self,
        delivery: Delivery,
        mut outcome: Outcome,
        patience: &Patience,
    ) -> bool {
        if let Outcome::Failed(record) = &mut outcome {
            record.retry &= (delivery.attempt as usize) < RETRY_LADDER.len();
            let message = self.failed(&delivery, record);
            if let Err(error) = patience.publish(&self.publisher, message).await {
                tracing::error!(%error, "a failed job could not be moved, it is handed back");
                delivery.requeue().await;
                return false;
            }
        }
        metrics::counter!("bucketlens_jobs_settled_total", "stage" => self.stage.as_str().to_owned(), "outcome" => outcome.name())
            .increment(1);
        delivery.ack().await;
        true
    }

    /// Puts jobs that were on loan to crashed workers where jobs are worked on one at a time.
    pub(crate) async fn suspect(&self, deliveries: Vec<Delivery>, patience: &Patience) {
        // What came over a connection that is gone is with the broker already.
        join_all(deliveries.into_iter().filter(Delivery::on_loan).map(|delivery| async {
            tracing::warn!(job.id = delivery.message_id, crashes = delivery.crashes, "job will be worked on alone");
            let mut headers = delivery.own_headers().clone();
            headers.insert("bl-crashes".into(), AMQPValue::LongLongInt(0));
            headers.insert("bl-suspected".into(), AMQPValue::LongLongInt(delivery.crashes.into()));
            let (exchange, routing_key) = (self.topology.work_exchange(), Topology::suspect_key(&self.stage));
            if self.move_to(delivery, exchange, routing_key, headers, patience).await {
                metrics::counter!("bucketlens_suspects_total", "stage" => self.stage.as_str().to_owned()).increment(1);
            }
        }))
        .await;
    }

    /// Hands jobs back to the queues they came from, by publishing them again: the broker counts
    /// every other way of handing back like a crash.
    pub(crate) async fn hand_back(&self, deliveries: Vec<Delivery>, patience: &Patience) {
        let deliveries = deliveries.into_iter().filter(Delivery::on_loan);
        let moved = join_all(deliveries.map(|delivery| {
            let mut headers = delivery.own_headers().clone();
            if delivery.crashes > 0 {
                headers
                    .insert("bl-crashes".into(), AMQPValue::LongLongInt(delivery.crashes.into()));
            }
            let queue = delivery.lane.queue(&self.topology, &self.stage);
            self.move_to(delivery, String::new(), queue, headers, patience)
        }))
        .await;
        if !moved.is_empty() {
            let published = moved.iter().filter(|moved| **moved).count();
            metrics::counter!("bucketlens_handed_back_total").increment(moved.len() as u64);
            tracing::info!(jobs = moved.len(), published, "handed back what had not begun");
        }
    }

    /// Publishes what was delivered, then ends the loan. Where that is not possible the delivery is
    /// requeued, and `false`.
    async fn move_to(
        &self,
        delivery: Delivery,
        exchange: String,
        routing_key: String,
        headers: FieldTable,
        patience: &Patience,
    ) -> bool {
        let (message_id, body) = (delivery.message_id.clone(), delivery.body.clone());
        match patience
            .publish(&self.publisher, Outgoing { exchange, routing_key, message_id, body, headers })
            .await
        {
            Ok(()) => {
                delivery.ack().await;
                true
            }
            Err(error) => {
                tracing::warn!(%error, job.id = delivery.message_id, "a job could not be published again, it is requeued");
                delivery.requeue().await;
                false
            }
        }
    }

    fn failed(&self, delivery: &Delivery, record: &FailureRecord) -> Outgoing {
        let now = Timestamp::now().to_string();
        let attempt = delivery.attempt + 1;
        let first = delivery.header("bl-first-failed").unwrap_or(&now);
        let line = format!("{now} {} {}", record.class, self.worker);
        let history = match delivery.header("bl-history") {
            Some(before) => format!("{line}\n{before}"),
            None => line,
        };
        let mut headers = FieldTable::default();
        headers.insert("bl-attempt".into(), AMQPValue::LongLongInt(i64::from(attempt)));
        for (name, value) in [
            ("bl-origin", delivery.header("bl-origin").unwrap_or("event")),
            ("bl-first-failed", first),
            ("bl-last-failed", &now),
            ("bl-error-class", record.class),
            ("bl-error", &record.reason),
            ("bl-worker", &self.worker),
            ("bl-model", &self.model),
            ("bl-history", &history),
        ] {
            headers.insert(name.into(), AMQPValue::LongString(LongString::from(cut(value))));
        }
        for name in KEPT {
            if let Some(value) = delivery.own_headers().inner().get(name) {
                headers.insert(name.into(), value.clone());
            }
        }
        let (exchange, routing_key) = if record.retry {
            (String::new(), self.topology.retry_queue(&self.stage, delivery.attempt as usize))
        } else {
            (self.topology.dead_exchange(), self.stage.as_str().to_owned())
        };
        tracing::warn!(
            stage = %self.stage, job.id = delivery.message_id, attempt, class = record.class, reason = record.reason,
            "job {}", if record.retry { "will be tried again" } else { "is dead" }
        );
        Outgoing {
            exchange,
            routing_key,
            message_id: delivery.message_id.clone(),
            body: delivery.body.clone(),
            headers,
        }
    }
}

/// What of a text fits into a header.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_HEADER_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_cut_at_a_character() {
        let long = "海".repeat(1000);
        assert!(cut(&long).len() <= MAX_HEADER_BYTES && cut(&long).chars().all(|c| c == '海'));
        assert_eq!(cut("short"), "short");
    }

    #[test]
    fn halt_never_becomes_a_dead_letter_by_itself() {
        let outcome = Outcome::from(Failure::halt("store_unavailable", "away"));
        assert_eq!(outcome.name(), "retried");
        assert_eq!(Outcome::from(Failure::dead_letter("corrupt_picture", "bad")).name(), "dead");
    }
}
