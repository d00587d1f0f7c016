//! How the HTTP interface describes types of the crate `pipeline`, which knows no OpenAPI. Nothing
//! makes a value of these.

use jiff::Timestamp;
use utoipa::ToSchema;

/// Dead letters of one stage and class whose reasons differ only in names and numbers.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes pipeline::dead::Group")]
pub(super) struct LetterGroupSchema {
    /// Identity of the group; equal failures always have the same.
    id: String,
    stage: String,
    /// Stable code of the failure.
    class: String,
    /// The failure in words, with `…` for names and `#` for numbers.
    reason: String,
    count: usize,
    /// How many of them had been replayed before.
    replayed: usize,
    first_failed: Option<Timestamp>,
    last_failed: Option<Timestamp>,
    /// Key of one of the objects.
    sample_key: Option<String>,
    /// Message id of that letter.
    sample_id: String,
}

/// A version of an object.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes pipeline::ObjectRef")]
pub(super) struct ObjectSchema {
    bucket: String,
    key: String,
    etag: String,
    size_bytes: Option<u64>,
    last_modified: Option<Timestamp>,
}

/// A job that cannot succeed, with its reason.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes pipeline::dead::DeadLetter")]
pub(super) struct DeadLetterSchema {
    message_id: String,
    stage: String,
    /// `null` if the message is no job that this release can read.
    object: Option<ObjectSchema>,
    image_id: Option<String>,
    /// Stable code of the failure.
    class: String,
    /// The failure in words.
    reason: String,
    /// Failed attempts.
    attempts: u32,
    /// The process that gave up.
    worker: Option<String>,
    model: Option<String>,
    first_failed: Option<Timestamp>,
    last_failed: Option<Timestamp>,
    /// What made the job.
    origin: Option<String>,
    /// How often it has been replayed.
    replays: u32,
    /// The last replay that moved it.
    replay_id: Option<String>,
    /// One line per failure, newest first.
    history: Vec<String>,
    /// The message: as JSON where it is JSON, as text, or as `{"base64": …}`.
    body: serde_json::Value,
}

/// The object of a dead letter, as the bucket has it now.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes pipeline::dead::Presence")]
pub(super) struct PresenceSchema {
    /// `present`, `overwritten`, `gone`, `other_bucket` or `unknown`.
    state: String,
    /// The present ETag of an overwritten object; absent otherwise.
    etag: Option<String>,
}

/// How many objects are in which state.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes pipeline::dead::Survey")]
pub(super) struct SurveySchema {
    present: usize,
    overwritten: usize,
    gone: usize,
    unknown: usize,
}

/// Waiting messages of one stage per kind of queue; `null` where the queue does not exist.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes pipeline::topology::Depths")]
pub(super) struct QueueDepthsSchema {
    work: Option<u32>,
    bulk: Option<u32>,
    retry: Option<u32>,
    suspect: Option<u32>,
    dead: Option<u32>,
}

/// A removed model or captioner.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes pipeline::models::Removal")]
pub(crate) struct RemovalSchema {
    /// When an operator removed it.
    at: Timestamp,
    /// When its table is dropped; until then the removal can be taken back without loss.
    drop_at: Timestamp,
    /// When its table was dropped; `null` while it exists.
    dropped_at: Option<Timestamp>,
}

/// The switch of a stage, after it was paused or resumed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes pipeline::switch::StageState")]
pub(crate) struct StageStateSchema {
    paused: bool,
    changed_at: Option<Timestamp>,
    changed_by: String,
    cancelled_at: Option<Timestamp>,
}
