//! One dead letter: what failed, why, how often, and the message as it was.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use lapin::types::FieldTable;
use serde::{Serialize, Serializer};

use super::broker_death::BrokerDeath;
use crate::headers;
use crate::job::{Job, Origin};
use crate::object::{ImageId, ObjectRef};
use crate::publish::Outgoing;
use crate::stage_name::StageName;
use crate::topology::Topology;

/// A dead letter. The broker dead-letters messages by itself too, when workers crashed on them
/// again and again. Those carry no record of ours, so class and reason come from the broker's
/// headers.
#[derive(Debug, Clone, Serialize)]
pub struct DeadLetter {
    /// Identity of the job; of the body, where the message came without one.
    pub message_id: String,
    /// The stage whose job it was.
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
    /// The model that this process ran.
    pub model: Option<String>,
    /// Time of the first failure.
    pub first_failed: Option<Timestamp>,
    /// Time of the last failure.
    pub last_failed: Option<Timestamp>,
    /// Where the job came from.
    pub origin: Option<String>,
    /// How often it has been replayed.
    pub replays: u32,
    /// The last replay that it was part of.
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
        let header = |name: &str| headers::text(&headers, name);
        let number = |name: &str| headers::number(&headers, name);
        let time = |name: &str| header(name).and_then(|value| value.parse::<Timestamp>().ok());
        let death = BrokerDeath::read(&headers);
        let (class, reason) = match (&death, header(headers::ERROR_CLASS)) {
            (Some(death), before) => {
                (death.class.clone(), death.reason(before.zip(header(headers::ERROR))))
            }
            (None, Some(class)) => (class, header(headers::ERROR).unwrap_or_default()),
            (None, None) => (
                "unknown".to_owned(),
                "no reason was recorded: another program put it here".to_owned(),
            ),
        };
        let died = death.as_ref().and_then(|death| death.at);
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
            attempts: number(headers::ATTEMPT),
            worker: header(headers::WORKER),
            model: header(headers::MODEL),
            first_failed: time(headers::FIRST_FAILED).or(died),
            last_failed: died.or_else(|| time(headers::LAST_FAILED)),
            origin: header(headers::ORIGIN),
            replays: number(headers::REPLAYS),
            replay_id: header(headers::REPLAY_ID),
            history: header(headers::HISTORY)
                .unwrap_or_default()
                .lines()
                .map(str::to_owned)
                .collect(),
            fingerprint: fingerprint(message, &headers),
            body: message.data.clone(),
            headers,
        }
    }

    /// Whether the job asks for a redo. Existing rows then do not mean that it is done.
    pub fn asks_again(&self) -> bool {
        Job::decode(&self.body).is_ok_and(|job| job.redo.is_some())
    }

    /// The same for all deliveries of one message, and different for two messages, even for two
    /// failures of one job.
    pub(super) fn fingerprint(&self) -> u128 {
        self.fingerprint
    }

    /// The message for a replay: at attempt 0, for the bulk queue, which yields to fresh jobs. It
    /// keeps the record of its failures, but no header of the broker: with `x-death` kept, RabbitMQ
    /// 3.10 takes the next delayed retry for a loop and drops the message.
    pub(super) fn revived(&self, topology: &Topology, replay_id: &str) -> Outgoing {
        let mut table = headers::ours(&self.headers);
        for name in ["traceparent", "tracestate"] {
            if let Some(value) = self.headers.inner().get(name) {
                table.insert(name.into(), value.clone());
            }
        }
        let mut note = |name: &str, value: &str| headers::set_text(&mut table, name, value);
        note(headers::ORIGIN, Origin::Replay.as_str());
        note(headers::REPLAY_ID, replay_id);
        note(headers::ERROR_CLASS, &self.class);
        note(headers::ERROR, &self.reason);
        if let Some(first) = self.first_failed {
            note(headers::FIRST_FAILED, &first.to_string());
        }
        if let Some(last) = self.last_failed {
            note(headers::LAST_FAILED, &last.to_string());
            // A death that the broker caused has no line in the history yet.
            if self.headers.contains_key("x-death") {
                let mut history = vec![format!("{last} {} broker", self.class)];
                history.extend(self.history.iter().cloned());
                note(headers::HISTORY, &history.join("\n"));
            }
        }
        headers::set_number(&mut table, headers::ATTEMPT, 0);
        headers::set_number(&mut table, headers::REPLAYS, i64::from(self.replays) + 1);
        Outgoing {
            exchange: topology.work_exchange(),
            routing_key: Topology::bulk_key(&self.stage),
            message_id: self.message_id.clone(),
            body: self.body.clone(),
            headers: table,
        }
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
        // These grow with every listing.
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
