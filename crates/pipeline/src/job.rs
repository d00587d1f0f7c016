//! The job: one stage's work for one object version, as it travels over AMQP. A versioned wire contract.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::models::check_id;
use crate::object::ObjectRef;

/// Major version of the body. Fields may be added without raising it; readers refuse majors they do not know.
pub const VERSION: u32 = 1;

/// Value of the AMQP `type` property.
pub const MESSAGE_TYPE: &str = "bucketlens.job.v1";

const EMBED: &str = "embed-";

/// A kind of job: `embed-<model id>`. Lower-case letters, digits and dashes, because it names queues.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StageName(String);

/// No stage can have this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no stage: stages are named embed-<model id>")]
pub struct StageNameError(String);

impl StageName {
    /// The stage in which one model turns pixels into vectors. `model` is an id that passes
    /// [`models::check_id`](crate::models::check_id).
    pub fn embed(model: &str) -> Self {
        Self(format!("{EMBED}{model}"))
    }

    /// Id of the model whose stage it is.
    pub fn model(&self) -> &str {
        self.0.strip_prefix(EMBED).unwrap_or_default()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StageName {
    type Err = StageNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = text.strip_prefix(EMBED).filter(|model| check_id(model).is_ok());
        named.map(Self::embed).ok_or_else(|| StageNameError(text.chars().take(100).collect()))
    }
}

/// Through which door a job came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A notification from the store.
    Event,
    /// A new object seen in a listing.
    Watch,
    /// A backfill: what lay in the bucket before anyone watched.
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

/// "Look at this key for this stage". A hint, never the truth: the worker asks the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    version: u32,
    /// Which stage's work.
    pub stage: StageName,
    /// Which object version.
    pub object: ObjectRef,
    /// Through which door it came in.
    pub origin: Origin,
}

/// A message that is no job this version can read. It is parked in the dead queue, never dropped.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Not JSON of the expected shape.
    #[error("the message is not a job: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Written by a newer release.
    #[error("the job has version {0}, this program reads version {VERSION}: update the program and replay it")]
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
        Self { version: VERSION, stage, object, origin }
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
        let object =
            ObjectRef {
                bucket: "b".into(), key: "ключ +%.jpg".into(), etag: "e".into(), size_bytes: None, last_modified: None
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
    fn the_name_of_a_stage_names_its_model() {
        let stage: StageName = "embed-demo-clip".parse().unwrap();
        assert_eq!((stage.model(), &stage), ("demo-clip", &StageName::embed("demo-clip")));
        for bad in ["embed", "embed-", "caption-x", "embed-A", "embed-a.b", "embed-a_b"] {
            assert!(bad.parse::<StageName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn foreign_messages_have_a_class() {
        let newer = String::from_utf8(job().encode()).unwrap().replace("\"version\":1", "\"version\":2");
        assert_eq!(Job::decode(newer.as_bytes()).unwrap_err().class(), "unsupported_schema");
        assert_eq!(Job::decode(b"hello").unwrap_err().class(), "invalid_job");
        assert_eq!(Job::decode(b"{\"version\":1}").unwrap_err().class(), "invalid_job");
    }
}
