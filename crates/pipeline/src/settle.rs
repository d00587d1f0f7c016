//! Settling: every delivery ends exactly once, as done, on a rung of the retry ladder, or in the dead queue.

use jiff::Timestamp;
use lapin::types::{AMQPValue, FieldTable, LongString};

use crate::consume::Delivery;
use crate::failure::{Action, Failure};
use crate::job::StageName;
use crate::publish::{Outgoing, Publisher};
use crate::topology::{RETRY_LADDER, Topology};

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

/// Settles deliveries of one stage. Failed jobs are published to where they belong and confirmed before the delivery
/// is acked: only the worker knows the reason, so the broker's own dead-lettering is the last net for crashes only.
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
    pub fn new(publisher: Publisher, topology: Topology, stage: StageName, worker: String, model: String) -> Self {
        Self { publisher, topology, stage, worker, model }
    }

    /// Ends the delivery; `false` if a failed job could not be moved and was handed back instead.
    pub(crate) async fn settle(&self, delivery: Delivery, mut outcome: Outcome) -> bool {
        if let Outcome::Failed(record) = &mut outcome {
            record.retry &= (delivery.attempt as usize) < RETRY_LADDER.len();
            let message = self.failed(&delivery, record);
            if let Err(error) = self.publisher.publish(message).await {
                tracing::error!(%error, "a failed job could not be moved, it is handed back");
                delivery.hand_back().await;
                return false;
            }
        }
        metrics::counter!("bucketlens_jobs_settled_total", "stage" => self.stage.as_str().to_owned(), "outcome" => outcome.name())
            .increment(1);
        delivery.ack().await;
        true
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
        let (exchange, routing_key) = if record.retry {
            (String::new(), self.topology.retry_queue(&self.stage, delivery.attempt as usize))
        } else {
            (self.topology.dead_exchange(), self.stage.as_str().to_owned())
        };
        tracing::warn!(
            stage = %self.stage, job.id = delivery.message_id, attempt, class = record.class, reason = record.reason,
            "job {}", if record.retry { "will be tried again" } else { "is dead" }
        );
        Outgoing { exchange, routing_key, message_id: delivery.message_id.clone(), body: delivery.body.clone(), headers }
    }
}

fn cut(text: &str) -> &str {
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
