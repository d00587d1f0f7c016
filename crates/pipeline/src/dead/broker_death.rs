//! Messages that the broker dead-lettered by itself.

use jiff::Timestamp;
use lapin::types::{AMQPValue, FieldTable};

use crate::headers::value_text;

/// Why the broker dead-lettered a message by itself: the newest entry of its header `x-death`.
pub(super) struct BrokerDeath {
    pub(super) class: String,
    queue: String,
    pub(super) at: Option<Timestamp>,
}

impl BrokerDeath {
    /// `None` if a worker put the message into the dead queue: workers send no broker headers.
    pub(super) fn read(headers: &FieldTable) -> Option<Self> {
        let deaths = headers.inner().get("x-death")?.as_array()?;
        let newest = deaths.as_slice().first()?.as_field_table()?.inner();
        let at = newest
            .get("time")
            .and_then(AMQPValue::as_timestamp)
            .and_then(|at| i64::try_from(at).ok());
        Some(Self {
            class: newest
                .get("reason")
                .and_then(value_text)
                .unwrap_or_else(|| "unknown".to_owned()),
            queue: newest.get("queue").and_then(value_text).unwrap_or_default(),
            at: at.and_then(|at| Timestamp::from_second(at).ok()),
        })
    }

    /// The reason in words; `before` is the last failure that a worker recorded.
    pub(super) fn reason(&self, before: Option<(String, String)>) -> String {
        let what = match self.class.as_str() {
            "delivery_limit" => {
                "worker after worker crashed or lost its connection while it held this job"
            }
            "rejected" => "a consumer of another program rejected it",
            "expired" => "it waited longer than the queue allows",
            "maxlen" => "the queue was full",
            _ => "the broker parked it",
        };
        let before = before.filter(|(class, _)| *class != self.class);
        let before = before
            .map(|(class, reason)| format!("; before that {class}: {reason}"))
            .unwrap_or_default();
        format!("{what} (parked by the broker, from queue {}){before}", self.queue)
    }
}
