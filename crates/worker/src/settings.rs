//! The settings that a process of any kind of worker needs.

use pipeline::batch::BatchSettings;
use pipeline::bucket::BucketSettings;
use pipeline::connection::AmqpSettings;
use pipeline::stage_kind::StageKind;
use pipeline::worker::FetchSettings;
use service::SettingsError;
use service::http::HttpSettings;

use crate::picture::PictureSettings;

/// The settings that a process of any kind of worker needs.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// The bucket with the originals and the tables.
    pub bucket: BucketSettings,
    /// The broker.
    pub amqp: AmqpSettings,
    /// Downloading and decoding, for all stages of the process together.
    pub fetch: FetchSettings,
    /// The limits of one picture.
    pub picture: PictureSettings,
    /// When a batch is inferred and committed.
    pub batch: BatchSettings,
    /// Where health, metrics and status are served.
    pub http: HttpSettings,
}

impl WorkerSettings {
    /// Checks ranges, for a worker of this kind.
    ///
    /// # Errors
    /// The first key out of range, or one that this kind does not have.
    pub fn validate(&self, kind: StageKind) -> Result<(), SettingsError> {
        self.bucket.validate()?;
        self.amqp.validate()?;
        self.fetch.validate()?;
        self.batch.validate()?;
        self.picture.validate(kind)
    }
}
