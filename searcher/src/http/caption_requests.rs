//! Requests for a caption, as jobs for the captioner.

use std::sync::OnceLock;
use std::time::Duration;

use pipeline::connection::AmqpSettings;
use pipeline::job::Job;
use pipeline::publish::{Outgoing, Publisher};
use pipeline::stage_name::StageName;
use pipeline::topology::Topology;
use service::health::Health;

use crate::problem::Problem;

// The publisher itself waits without limit while the broker is away.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Publishes jobs for the captioner whose captions are searched.
pub(crate) struct CaptionRequests {
    stage: StageName,
    amqp: AmqpSettings,
    // Connects at the first request: a searcher works without a broker.
    publisher: OnceLock<Publisher>,
}

impl CaptionRequests {
    /// `None` if `captioner` is empty.
    pub(crate) fn new(captioner: &str, amqp: AmqpSettings) -> Option<Self> {
        let stage = StageName::caption(captioner);
        (!captioner.is_empty()).then(|| Self { stage, amqp, publisher: OnceLock::new() })
    }

    /// The stage of the captioner.
    pub(super) fn stage(&self) -> &StageName {
        &self.stage
    }

    /// Publishes a job; returns when the broker has confirmed it.
    ///
    /// # Errors
    /// 503: the broker did not confirm it in time.
    pub(super) async fn publish(&self, job: &Job) -> Result<(), Problem> {
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
