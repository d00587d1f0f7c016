//! The job: one stage's work for one object version, as it travels over AMQP. Its body is a
//! versioned wire contract.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::object::ObjectRef;
use crate::stage_name::StageName;

/// Major version of the body. Fields may be added without raising it; readers refuse majors they do
/// not know.
pub const VERSION: u32 = 1;

/// Value of the AMQP `type` property.
pub const MESSAGE_TYPE: &str = "bucketlens.job.v1";

/// Where a job came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A notification from the store.
    Event,
    /// A new object seen in a listing.
    Watch,
    /// A backfill: an object that was in the bucket before it was watched.
    Sweep,
    /// A dead letter put back by the operator.
    Replay,
    /// A request over HTTP.
    Api,
}

impl Origin {
    /// The name as text, as it stands in headers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Watch => "watch",
            Self::Sweep => "sweep",
            Self::Replay => "replay",
            Self::Api => "api",
        }
    }
}

/// A request to do the work again although its rows may exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Redo {
    /// Unless the worker would make the same rows again: the rows record the request that made
    /// them, and the worker compares it with today's.
    Outdated,
    /// Unless the rows were written at or after this moment. Delivered twice, it is done once.
    Since(Timestamp),
}

/// "Look at this key for this stage". A hint only: the worker asks the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    version: u32,
    /// The stage whose work it is.
    pub stage: StageName,
    /// The object version.
    pub object: ObjectRef,
    /// Where it came from.
    pub origin: Origin,
    /// Whether it is to be done although its rows exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redo: Option<Redo>,
}

/// The message is not a job that this version can read. It goes to the dead queue.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Not JSON of the expected shape.
    #[error("the message is not a job: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Written by a newer release.
    #[error(
        "the job has version {0}, this program reads version {VERSION}: \
         update the program and replay it"
    )]
    UnsupportedVersion(u32),
}

impl JobError {
    /// Stable code for grouping dead letters.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "invalid_job",
            Self::UnsupportedVersion(_) => "unsupported_schema",
        }
    }
}

impl Job {
    /// A job of the present version.
    pub fn new(stage: StageName, object: ObjectRef, origin: Origin) -> Self {
        Self { version: VERSION, stage, object, origin, redo: None }
    }

    /// The same job, to be done although its rows may exist.
    pub fn again(self, redo: Redo) -> Self {
        Self { redo: Some(redo), ..self }
    }

    /// Identity of the job: the same object version and stage always give the same 32 hex digits.
    pub fn message_id(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.object.image_id().to_string().as_bytes());
        hasher.update(self.stage.as_str().as_bytes());
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// The body.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a body.
    ///
    /// # Errors
    /// Not a job, or one of another major version.
    pub fn decode(body: &[u8]) -> Result<Self, JobError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(body)?;
        if version != VERSION {
            return Err(JobError::UnsupportedVersion(version));
        }
        Ok(serde_json::from_slice(body)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        let object = ObjectRef {
            bucket: "b".into(),
            key: "ключ +%.jpg".into(),
            etag: "e".into(),
            size_bytes: None,
            last_modified: None,
        };
        Job::new(StageName::embed("demo-clip"), object, Origin::Event)
    }

    #[test]
    fn body_round_trips_and_unknown_fields_are_allowed() {
        let mut value: serde_json::Value = serde_json::from_slice(&job().encode()).unwrap();
        value["added_later"] = 1.into();
        assert_eq!(Job::decode(value.to_string().as_bytes()).unwrap(), job());
    }

    #[test]
    fn what_is_to_be_done_again_travels_with_the_job() {
        let moment = "2026-03-01T12:00:00Z".parse().unwrap();
        for redo in [Redo::Outdated, Redo::Since(moment)] {
            let again = job().again(redo);
            assert_eq!(Job::decode(&again.encode()).unwrap(), again);
            assert_eq!(again.message_id(), job().message_id());
        }
        assert!(
            !String::from_utf8(job().encode()).unwrap().contains("redo"),
            "readers of an earlier release find no unknown field"
        );
    }

    #[test]
    fn foreign_messages_have_a_class() {
        let newer =
            String::from_utf8(job().encode()).unwrap().replace("\"version\":1", "\"version\":2");
        assert_eq!(Job::decode(newer.as_bytes()).unwrap_err().class(), "unsupported_schema");
        assert_eq!(Job::decode(b"hello").unwrap_err().class(), "invalid_job");
        assert_eq!(Job::decode(b"{\"version\":1}").unwrap_err().class(), "invalid_job");
    }
}
