//! The doors for S3 notifications: a webhook, a queue that the store pushes into, and listening to
//! the store. An event is only a hint. It makes ingest look at one key at once instead of at the
//! next listing.

mod door;
mod listen;
mod queue;
mod webhook;

use std::sync::Arc;

use axum::Router;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use door::EventDoor;

use crate::settings::Settings;

/// Opens the queue and listening as the settings say; they close at shutdown. `listing_due` is told
/// whenever events may have been missed.
pub(crate) fn open(
    door: &Arc<EventDoor>,
    settings: &Settings,
    listing_due: &Arc<Notify>,
    shutdown: &CancellationToken,
) -> JoinSet<()> {
    let mut doors = JoinSet::new();
    if settings.events.queue {
        doors.spawn(queue::run(Arc::clone(door), settings.amqp.clone(), shutdown.clone()));
    }
    if settings.events.listen {
        let (prefix, listing_due) = (settings.filter.prefix.clone(), Arc::clone(listing_due));
        doors.spawn(listen::run(Arc::clone(door), prefix, listing_due, shutdown.clone()));
    }
    doors
}

/// The route of the webhook.
pub(crate) fn router(door: Arc<EventDoor>, settings: &Settings) -> Router {
    webhook::router(door, settings.events.secret.clone())
}
