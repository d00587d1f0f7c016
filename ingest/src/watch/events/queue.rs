//! Events that the store pushes into the broker.

use std::sync::Arc;

use pipeline::connection::AmqpSettings;
use pipeline::event::Via;
use pipeline::event_queue;
use tokio_util::sync::CancellationToken;

use super::door::EventDoor;

// Stores send a few kilobytes. A larger message is no notification.
const MAX_BODY_BYTES: usize = 1 << 20;

pub(super) async fn run(door: Arc<EventDoor>, settings: AmqpSettings, shutdown: CancellationToken) {
    let name = format!("ingest {}", std::process::id());
    event_queue::consume(&settings, &name, &shutdown, |body| take(&door, body)).await;
}

/// Acts on every record of a message, in order.
async fn take(door: &EventDoor, body: Vec<u8>) {
    // A truncated message cannot be parsed, so it is counted and logged as unreadable.
    let body = &body[..body.len().min(MAX_BODY_BYTES)];
    for event in door.read("queue", body, Via::Push) {
        door.act_in_the_end(&event).await;
    }
}
