//! The doors by which S3 notifications come in: a webhook, a queue the store pushes into, and
//! listening to the store. Hints only: each makes ingest look at one key at once instead of at the
//! next listing.

mod listen;
mod queue;
mod webhook;

use std::collections::HashSet;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use anyhow::Context;
use axum::Router;
use pipeline::bucket::{Bucket, BucketError};
use pipeline::connection::AmqpSettings;
use pipeline::event::{EventSource, ObjectEvent, Via, parse_notification};
use pipeline::filter::KeyFilter;
use pipeline::job::Origin;
use pipeline::{ImageId, ObjectRef};
use service::backoff::Backoff;
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::EventSettings;
use crate::index::Index;
use crate::served::ServedStages;

// Keys looked at at a time, by all doors together.
const LOOKS_IN_FLIGHT: usize = 16;
// Keys remembered as gone; 16 bytes each.
const MOST_GONE: usize = 100_000;
// Attempts after which an object that alone makes trouble is left to the listing.
const ATTEMPTS: u32 = 4;
// Enough of a message to recognise it in a log.
const SHOWN_CHARS: usize = 200;

/// What an event needs to become a job or a removal; all doors share one.
pub(crate) struct Door {
    bucket: Bucket,
    index: Index,
    filter: Arc<KeyFilter>,
    stages: ServedStages,
    source: EventSource,
    looks: Semaphore,
    // Deletes of one table conflict with each other.
    removing: Mutex<()>,
    // Keys that an event was about and under which nothing lay, hashed.
    gone: StdMutex<HashSet<ImageId>>,
}

impl Door {
    pub(crate) fn new(
        bucket: Bucket,
        index: Index,
        filter: Arc<KeyFilter>,
        stages: ServedStages,
        source: EventSource,
    ) -> Self {
        let (looks, removing) = (Semaphore::new(LOOKS_IN_FLIGHT), Mutex::new(()));
        Self { bucket, index, filter, stages, source, looks, removing, gone: StdMutex::default() }
    }

    /// Looks at the key the event names; if nothing lies there, at the other reading of the same
    /// text too. Returns whether that led to a job or a removal.
    async fn act(&self, event: &ObjectEvent) -> anyhow::Result<bool> {
        let _look = self.looks.acquire().await?;
        let mut acted = false;
        for key in std::iter::once(&event.key).chain(&event.other_key) {
            if !self.concerns(&event.bucket, key) {
                continue;
            }
            let (present, done) = self.look(key).await?;
            acted |= done;
            if present {
                break;
            }
        }
        Ok(acted)
    }

    fn concerns(&self, bucket: &str, key: &str) -> bool {
        bucket == self.bucket.name() && self.filter.matches(key)
    }

    /// Brings one key up to date: whether an object lies there, and whether anything was to do.
    /// What an event says may be old; what the store says now is acted on.
    async fn look(&self, key: &str) -> anyhow::Result<(bool, bool)> {
        // Tables before bucket: what is indexed in between is then not mistaken for former content.
        let mut outdated = self
            .index
            .versions_of(self.bucket.name(), key)
            .await
            .context("looking up the object")?;
        let present = self.bucket.head(key).await?;
        anyhow::ensure!(
            present.is_some() || self.bucket.answers().await,
            "the bucket cannot be listed: its 404 is not believed"
        );
        let id = present.as_ref().map(ObjectRef::image_id);
        outdated.retain(|version| Some(*version) != id);
        if !outdated.is_empty() {
            let _alone = self.removing.lock().await;
            self.index.remove(&outdated).await.context("removing rows of former content")?;
        }
        for (_, served) in self.stages.iter() {
            served.published.forget(&outdated);
        }
        let (there, mut done) = (present.is_some(), !outdated.is_empty());
        let was_gone = self.note_presence(key, there);
        if let Some(object) = &present
            && was_gone
        {
            // Its job may have found nothing; the same bytes put again have the same identity.
            for (_, served) in self.stages.iter() {
                served.published.forget_unless_dead(&object.image_id());
            }
        }
        if let Some(object) = present {
            for (place, served) in self.stages.iter() {
                if !self.index.has(place, &object).await? {
                    done |= served.published.publish(object.clone(), Origin::Event).await?;
                }
            }
        }
        Ok((there, done))
    }

    /// Notes whether an object lies under the key; returns whether it was seen to be gone before.
    fn note_presence(&self, key: &str, there: bool) -> bool {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = ImageId::of(self.bucket.name(), key, "");
        if there {
            return gone.remove(&hash);
        }
        // Only a memory: what is dropped here waits for the next listing.
        if gone.len() >= MOST_GONE {
            gone.clear();
        }
        gone.insert(hash);
        false
    }

    /// Acts on the event however long store, tables or broker are away. An object that alone cannot
    /// be looked at is given up: the listing finds it.
    async fn act_in_the_end(&self, event: &ObjectEvent) {
        let mut backoff = Backoff::default();
        for attempt in 1u32.. {
            let Err(error) = self.act(event).await else { return };
            let of_the_store = error.downcast_ref::<BucketError>();
            let given_up = match of_the_store {
                Some(error) if !error.store_may_be_away() => true,
                Some(_) => attempt >= ATTEMPTS && self.bucket.answers().await,
                None => false,
            };
            if given_up {
                metrics::counter!("bucketlens_ingest_events_given_up_total").increment(1);
                tracing::warn!(
                    object.key = shown(event.key.as_bytes()),
                    "an event is left to the next listing: {error:#}"
                );
                return;
            }
            // One line per outage is enough: the listing reports it too.
            if attempt == 1 {
                tracing::warn!(
                    "an event waits until store, tables and broker can be reached: {error:#}"
                );
            }
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    /// The events of one message that concern us; what cannot be read is counted and logged.
    fn read(&self, door: &'static str, body: &[u8], via: Via) -> Vec<ObjectEvent> {
        match parse_notification(body, self.source, via) {
            Ok(mut events) => {
                // The store tells of our own tables as well.
                events.retain(|event| {
                    std::iter::once(&event.key)
                        .chain(&event.other_key)
                        .any(|key| self.concerns(&event.bucket, key))
                });
                count(door, events.len());
                events
            }
            Err(error) => {
                metrics::counter!("bucketlens_ingest_events_unreadable_total", "door" => door)
                    .increment(1);
                tracing::warn!(door, message = shown(body), "{error}");
                Vec::new()
            }
        }
    }
}

/// Opens the doors that are set to be open, beside the webhook; they close at shutdown.
/// `listing_due` is told whenever events may have been missed.
pub(crate) fn open(
    door: &Arc<Door>,
    settings: &EventSettings,
    amqp: &AmqpSettings,
    prefix: &str,
    listing_due: &Arc<Notify>,
    shutdown: &CancellationToken,
) -> JoinSet<()> {
    let mut doors = JoinSet::new();
    if settings.queue {
        doors.spawn(queue::run(Arc::clone(door), amqp.clone(), shutdown.clone()));
    }
    if settings.listen {
        doors.spawn(listen::run(
            Arc::clone(door),
            prefix.to_owned(),
            Arc::clone(listing_due),
            shutdown.clone(),
        ));
    }
    doors
}

/// The routes of the webhook.
pub(crate) fn router(door: Arc<Door>, settings: EventSettings) -> Router {
    webhook::router(door, settings.secret)
}

/// Counts what came in by a door.
fn count(door: &'static str, events: usize) {
    metrics::counter!("bucketlens_ingest_events_total", "door" => door).increment(events as u64);
}

/// The beginning of something a stranger sent, fit for a log.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * SHOWN_CHARS)]);
    text.chars().take(SHOWN_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
