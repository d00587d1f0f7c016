//! Requests for a caption, as jobs for the captioner.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use moka::future::Cache;
use pipeline::connection::AmqpSettings;
use pipeline::job::Job;
use pipeline::publish::{Outgoing, Publisher};
use pipeline::stage_name::StageName;
use pipeline::topology::Topology;
use service::health::Health;

use super::caption_rate::CaptionRate;
use crate::problem::Problem;
use crate::settings::CaptionSettings;

// The publisher itself waits without limit while the broker is away.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A picture is asked for at most once in this time.
const PENDING: Duration = Duration::from_secs(60);
/// Pictures that are remembered as asked for; more are not asked for within that time.
const MAX_PENDING: u64 = 100_000;

/// Publishes jobs for the captioner whose captions are searched.
pub(crate) struct CaptionRequests {
    stage: StageName,
    amqp: AmqpSettings,
    // Connects at the first request: a searcher works without a broker.
    publisher: OnceLock<Publisher>,
    // By image id, and whether a new caption replaces one that is there.
    pending: Cache<(String, bool), ()>,
    rate: CaptionRate,
}

impl CaptionRequests {
    /// `None` if the settings name no captioner.
    pub(crate) fn new(settings: &CaptionSettings, amqp: AmqpSettings) -> Option<Self> {
        let captioner = &settings.active;
        (!captioner.is_empty()).then(|| Self {
            stage: StageName::caption(captioner),
            amqp,
            publisher: OnceLock::new(),
            pending: Cache::builder().max_capacity(MAX_PENDING).time_to_live(PENDING).build(),
            rate: CaptionRate::new(settings.requests_per_minute),
        })
    }

    /// The stage of the captioner.
    pub(super) fn stage(&self) -> &StageName {
        &self.stage
    }

    /// Publishes the job of a picture, unless that was done within the last minute; returns when
    /// the broker has confirmed it.
    ///
    /// # Errors
    /// 429: too many captions were asked for. 503: the broker did not confirm the job in time.
    pub(super) async fn ask(&self, image_id: &str, redo: bool, job: &Job) -> Result<(), Problem> {
        let publish = async {
            self.rate.take(Instant::now()).map_err(|pause| {
                let detail = "too many captions were asked for; try again later, or let ingest \
                              ask for all of them";
                Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).after(pause)
            })?;
            self.publish(job).await
        };
        let asked = self.pending.try_get_with((image_id.to_owned(), redo), publish).await;
        asked.map_err(|problem: Arc<Problem>| (*problem).clone())
    }

    async fn publish(&self, job: &Job) -> Result<(), Problem> {
        let failed = |error: &dyn std::fmt::Display| {
            Problem::unavailable("the broker does not take the job", error)
        };
        let start = || {
            // A health of its own: a broker that is away does not make a searcher unready.
            let name = format!("searcher {}", std::process::id());
            Publisher::start(self.amqp.clone(), name, vec![self.stage.clone()], Health::default())
        };
        let message = Outgoing::job(&Topology::new(&self.amqp.namespace), job);
        match tokio::time::timeout(TIMEOUT, self.publisher.get_or_init(start).publish(message))
            .await
        {
            Ok(published) => published.map_err(|error| failed(&error)),
            Err(_) => {
                Err(failed(&format!("it did not answer within {TIMEOUT:?}; try again later")))
            }
        }
    }
}
