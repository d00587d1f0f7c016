//! Notifications that the store pushes into the broker.

use std::sync::Arc;

use pipeline::connection::AmqpSettings;
use pipeline::event::Via;
use pipeline::event_queue;
use tokio_util::sync::CancellationToken;

use super::Door;

// What is larger is no notification: stores send a few kilobytes.
const MAX_BODY_BYTES: usize = 1 << 20;

pub(super) async fn run(door: Arc<Door>, settings: AmqpSettings, shutdown: CancellationToken) {
    let name = format!("ingest {}", std::process::id());
    event_queue::consume(&settings, &name, &shutdown, |body| take(&door, body)).await;
}

/// Acts on every record of a message, in order.
async fn take(door: &Door, body: Vec<u8>) {
    // A cut message cannot be parsed, so it is counted and logged like any other that cannot be
    // read.
    let body = &body[..body.len().min(MAX_BODY_BYTES)];
    for event in door.read("queue", body, Via::Push) {
        door.act_in_the_end(&event).await;
    }
}
