//! Listening to the store: events without any configuration, where the store can do it (MinIO,
//! RustFS).

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use pipeline::event::{ObjectEvent, Via};
use pipeline::listen::{ListenError, Listening};
use service::backoff::Backoff;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::{Notify, mpsc::Sender};
use tokio_util::sync::CancellationToken;

use super::door::{EventDoor, LOOKS_IN_FLIGHT};

// Events that wait to be acted on. A store drops events that are not read at once, so reading never
// waits for acting.
const BACKLOG: usize = 10_000;
// A store without this request gets it by an upgrade, if ever.
const REFUSED_PAUSE: Duration = Duration::from_secs(600);

/// Listens until shutdown. The store repeats nothing for a listener that was away, so a listing is
/// due after every connection.
pub(super) async fn run(
    door: Arc<EventDoor>,
    prefix: String,
    listing_due: Arc<Notify>,
    shutdown: CancellationToken,
) {
    let (backlog, events) = mpsc::channel(BACKLOG);
    let acting = act(&door, events);
    let hearing = hear(&door, &prefix, &listing_due, &backlog);
    tokio::select! {
        () = acting => {}
        () = hearing => {}
        () = shutdown.cancelled() => {}
    }
}

async fn act(door: &EventDoor, events: mpsc::Receiver<ObjectEvent>) {
    let events = futures::stream::unfold(events, |mut events| async {
        Some((events.recv().await?, events))
    });
    events
        .for_each_concurrent(
            LOOKS_IN_FLIGHT,
            |event| async move { door.act_in_the_end(&event).await },
        )
        .await;
}

async fn hear(door: &EventDoor, prefix: &str, listing_due: &Notify, backlog: &Sender<ObjectEvent>) {
    let mut backoff = Backoff::default();
    let mut refused = false;
    loop {
        let error = match door.bucket.listen(prefix).await {
            Ok(listening) => attend(door, listening, listing_due, backlog, &mut backoff).await,
            Err(error) => error,
        };
        metrics::gauge!("bucketlens_ingest_listening").set(0.0);
        let pause = match &error {
            ListenError::Refused { .. } => {
                if !refused {
                    tracing::warn!(
                        "{error}: pictures are found by listing only. MinIO and RustFS have this \
                         request and need the permission s3:ListenBucketNotification; for other \
                         stores use the webhook or events.queue, and set events.listen = false"
                    );
                }
                refused = true;
                REFUSED_PAUSE
            }
            ListenError::Broken { .. } => {
                tracing::warn!("{error}, trying again");
                refused = false;
                backoff.pause()
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Reads one answer to its end.
async fn attend(
    door: &EventDoor,
    mut listening: Listening,
    listing_due: &Notify,
    backlog: &Sender<ObjectEvent>,
    backoff: &mut Backoff,
) -> ListenError {
    let mut heard = false;
    loop {
        let line = match listening.next().await {
            Ok(line) => line,
            Err(error) => return error,
        };
        if !heard {
            // Only the first line proves that the store understood the request and reports later
            // changes.
            heard = true;
            backoff.reset();
            tracing::info!("listening to the store");
            metrics::gauge!("bucketlens_ingest_listening").set(1.0);
            listing_due.notify_one();
        }
        for event in door.read("listen", &line, Via::Listen) {
            match backlog.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => {
                    metrics::counter!("bucketlens_ingest_events_given_up_total").increment(1);
                    listing_due.notify_one();
                }
                Err(TrySendError::Closed(_)) => {
                    return ListenError::Broken {
                        bucket: door.bucket.name().to_owned(),
                        reason: "stopping".to_owned(),
                    };
                }
            }
        }
    }
}
