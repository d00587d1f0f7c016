//! One dead letter: what failed, why, how often, and the message as it was.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use lapin::types::{AMQPValue, FieldTable, LongString};
use serde::{Serialize, Serializer};

use crate::delivery::text;
use crate::job::{Job, Origin};
use crate::object::{ImageId, ObjectRef};
use crate::publish::Outgoing;
use crate::settle::cut;
use crate::stage_name::StageName;
use crate::topology::Topology;

/// A dead letter. The broker parks messages by itself too (workers crashed on them again and
/// again); those carry no record of ours, so class and reason are read from what the broker noted.
#[derive(Debug, Clone, Serialize)]
pub struct DeadLetter {
    /// Identity of the job; of the body, where the message came without one.
    pub message_id: String,
    /// Whose work it was.
    pub stage: StageName,
    /// Which object version; `None` if the body is no job that this version can read.
    pub object: Option<ObjectRef>,
    /// Identity of that object version, under which another stage may know it.
    pub image_id: Option<String>,
    /// Stable code of the failure.
    pub class: String,
    /// The failure in words.
    pub reason: String,
    /// Failed attempts.
    pub attempts: u32,
    /// The process that gave up.
    pub worker: Option<String>,
    /// The model it served.
    pub model: Option<String>,
    /// Time of the first failure.
    pub first_failed: Option<Timestamp>,
    /// Time of the last failure.
    pub last_failed: Option<Timestamp>,
    /// Through which door the job came in.
    pub origin: Option<String>,
    /// How often it has been replayed.
    pub replays: u32,
    /// The replay that it has been through last.
    pub replay_id: Option<String>,
    /// One line per failure, newest first.
    pub history: Vec<String>,
    /// The message's body: as JSON where it is JSON, as text, or as `{"base64": ...}`.
    #[serde(serialize_with = "body")]
    pub body: Vec<u8>,
    #[serde(skip)]
    headers: FieldTable,
    #[serde(skip)]
    fingerprint: u128,
}

impl DeadLetter {
    pub(super) fn read(stage: &StageName, message: &lapin::message::Delivery) -> Self {
        let headers = message.properties.headers().clone().unwrap_or_default();
        let header = |name: &str| headers.inner().get(name).and_then(text);
        let number = |name: &str| header(name).and_then(|value| value.parse().ok()).unwrap_or(0);
        let time = |name: &str| header(name).and_then(|value| value.parse::<Timestamp>().ok());
        let broker = Burial::by_broker(&headers);
        let (class, reason) = match (&broker, header("bl-error-class")) {
            (Some(burial), before) => {
                (burial.class.clone(), burial.reason(before.zip(header("bl-error"))))
            }
            (None, Some(class)) => (class, header("bl-error").unwrap_or_default()),
            (None, None) => (
                "unknown".to_owned(),
                "nobody noted a reason: another program put it here".to_owned(),
            ),
        };
        let buried = broker.as_ref().and_then(|burial| burial.at);
        let id = message
            .properties
            .message_id()
            .as_ref()
            .map(|id| id.to_string())
            .filter(|id| !id.is_empty());
        let object = Job::decode(&message.data).ok().map(|job| job.object);
        Self {
            message_id: id.unwrap_or_else(|| blake3::hash(&message.data).to_hex()[..32].to_owned()),
            stage: stage.clone(),
            image_id: object
                .as_ref()
                .map(|object| ImageId::of(&object.bucket, &object.key, &object.etag).to_string()),
            object,
            class,
            reason,
            attempts: number("bl-attempt"),
            worker: header("bl-worker"),
            model: header("bl-model"),
            first_failed: time("bl-first-failed").or(buried),
            last_failed: buried.or_else(|| time("bl-last-failed")),
            origin: header("bl-origin"),
            replays: number("bl-replays"),
            replay_id: header("bl-replay-id"),
            history: header("bl-history").unwrap_or_default().lines().map(str::to_owned).collect(),
            fingerprint: fingerprint(message, &headers),
            body: message.data.clone(),
            headers,
        }
    }

    /// Whether its work is wanted although its rows are there: they say nothing about it.
    pub fn asks_again(&self) -> bool {
        Job::decode(&self.body).is_ok_and(|job| job.redo.is_some())
    }

    /// Two deliveries of one message have the same, two messages do not: not even two failures of
    /// one job.
    pub(super) fn fingerprint(&self) -> u128 {
        self.fingerprint
    }

    /// The message as it goes back to work: at attempt 0, in the bulk queue, which yields to fresh
    /// jobs. The record of its failures goes with it. Nothing of the broker's does: with its
    /// `x-death` kept, a broker 3.10 takes the next delayed retry for a loop and drops the message.
    pub(super) fn revived(&self, topology: &Topology, replay_id: &str) -> Outgoing {
        let mut headers = FieldTable::default();
        for (name, value) in self.headers.inner() {
            if name.as_str().starts_with("bl-")
                || matches!(name.as_str(), "traceparent" | "tracestate")
            {
                headers.insert(name.clone(), value.clone());
            }
        }
        let mut note = |name: &str, value: &str| {
            headers.insert(name.into(), AMQPValue::LongString(LongString::from(cut(value))));
        };
        note("bl-origin", Origin::Replay.as_str());
        note("bl-replay-id", replay_id);
        note("bl-error-class", &self.class);
        note("bl-error", &self.reason);
        if let Some(first) = self.first_failed {
            note("bl-first-failed", &first.to_string());
        }
        if let Some(last) = self.last_failed {
            note("bl-last-failed", &last.to_string());
            // What the broker buried has no line of its own yet.
            if self.headers.contains_key("x-death") {
                let mut history = vec![format!("{last} {} broker", self.class)];
                history.extend(self.history.iter().cloned());
                note("bl-history", &history.join("\n"));
            }
        }
        headers.insert("bl-attempt".into(), AMQPValue::LongLongInt(0));
        headers.insert("bl-replays".into(), AMQPValue::LongLongInt(i64::from(self.replays) + 1));
        Outgoing {
            exchange: topology.work_exchange(),
            routing_key: Topology::bulk_key(&self.stage),
            message_id: self.message_id.clone(),
            body: self.body.clone(),
            headers,
        }
    }
}

/// What the broker notes when it dead-letters a message by itself: the newest entry of `x-death`.
struct Burial {
    class: String,
    queue: String,
    at: Option<Timestamp>,
}

impl Burial {
    // The messages that workers park carry no broker headers, so whatever has them was parked by
    // the broker.
    fn by_broker(headers: &FieldTable) -> Option<Self> {
        let deaths = headers.inner().get("x-death")?.as_array()?;
        let newest = deaths.as_slice().first()?.as_field_table()?.inner();
        let at = newest
            .get("time")
            .and_then(AMQPValue::as_timestamp)
            .and_then(|at| i64::try_from(at).ok());
        Some(Self {
            class: newest.get("reason").and_then(text).unwrap_or_else(|| "unknown".to_owned()),
            queue: newest.get("queue").and_then(text).unwrap_or_default(),
            at: at.and_then(|at| Timestamp::from_second(at).ok()),
        })
    }

    fn reason(&self, before: Option<(String, String)>) -> String {
        let what = match self.class.as_str() {
            "delivery_limit" => {
                "worker after worker crashed or lost its connection while it held this job"
            }
            "rejected" => "a consumer that is none of ours rejected it",
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

fn fingerprint(message: &lapin::message::Delivery, headers: &FieldTable) -> u128 {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(&message.data);
    part(
        format!("{:?} {:?}", message.properties.message_id(), message.properties.timestamp())
            .as_bytes(),
    );
    for (name, value) in headers.inner() {
        // Grows with every look.
        if !matches!(name.as_str(), "x-delivery-count" | "x-acquired-count") {
            part(name.as_str().as_bytes());
            part(format!("{value:?}").as_bytes());
        }
    }
    let mut first = [0u8; 16];
    hasher.finalize_xof().fill(&mut first);
    u128::from_be_bytes(first)
}

fn body<S: Serializer>(body: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(json) => json.serialize(serializer),
        Err(_) => match std::str::from_utf8(body) {
            Ok(text) => text.serialize(serializer),
            Err(_) => serde_json::json!({ "base64": STANDARD.encode(body) }).serialize(serializer),
        },
    }
}
