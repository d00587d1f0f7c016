//! How long settling may wait for the broker.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::publish::{Outgoing, PublishError, Publisher};

// A broker that takes messages at all confirms within this time, with a margin.
const GRACE: Duration = Duration::from_secs(5);

/// How long publishing may wait. While the session works: for as long as the broker takes no
/// messages, which is the back pressure. Once it has ended: five seconds, for all messages
/// together, so that a broker that is out of memory does not keep the process from stopping in
/// time.
#[derive(Debug, Clone)]
pub(crate) struct GracePeriod {
    ended: CancellationToken,
    over: CancellationToken,
}

/// A message was not published.
#[derive(Debug, thiserror::Error)]
pub(super) enum RepublishError {
    #[error(transparent)]
    Refused(#[from] PublishError),
    #[error("the broker took no message within {GRACE:?}, and this process is to stop")]
    TooLong,
}

impl GracePeriod {
    /// Begins when `ended` is cancelled; until then publishing may wait without limit.
    pub(crate) fn after(ended: CancellationToken) -> Self {
        Self { ended, over: CancellationToken::new() }
    }

    pub(super) async fn publish(
        &self,
        publisher: &Publisher,
        message: Outgoing,
    ) -> Result<(), RepublishError> {
        let expires = async {
            self.ended.cancelled().await;
            tokio::time::sleep(GRACE).await;
            self.over.cancel();
        };
        tokio::select! {
            biased;
            () = self.over.cancelled() => Err(RepublishError::TooLong),
            published = publisher.publish(message) => Ok(published?),
            () = expires => Err(RepublishError::TooLong),
        }
    }
}
