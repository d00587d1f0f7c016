//! What the handlers work with.

use std::sync::Arc;
use std::time::Duration;

use pipeline::bucket::Bucket;
use pipeline::depths::QueueDepths;
use table::timeline::Timelines;

use super::caption_requests::CaptionRequests;
use super::picture_turns::PictureTurns;
use super::thumbnails::Thumbnails;
use crate::engine::Engine;
use crate::follow::PendingModel;
use crate::settings::UploadSettings;

/// State of all handlers.
pub(crate) struct App {
    pub(crate) engine: Arc<Engine>,
    pub(crate) bucket: Bucket,
    pub(crate) queues: QueueDepths,
    /// How long a link to an original works.
    pub(crate) link_lifetime: Duration,
    pub(crate) pending_model: PendingModel,
    pub(crate) timelines: Timelines,
    pub(crate) thumbnails: Thumbnails,
    pub(crate) picture_turns: PictureTurns,
    pub(crate) upload: UploadSettings,
    /// Whether operators' requests are forwarded to ingest.
    pub(crate) operations: bool,
    /// `None` where no captions are searched.
    pub(crate) caption_requests: Option<CaptionRequests>,
}
