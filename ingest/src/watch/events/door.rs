//! What an event does, whichever door it came through: a look at its key, then a job or a removal.

use std::collections::HashSet;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use anyhow::Context;
use pipeline::bucket::{Bucket, BucketError};
use pipeline::event::{EventSource, ObjectEvent, Via, parse_notification};
use pipeline::filter::KeyFilter;
use pipeline::job::Origin;
use pipeline::{ImageId, ObjectRef};
use service::backoff::Backoff;
use tokio::sync::{Mutex, Semaphore};

use crate::parts::IngestParts;
use crate::watch::index::Index;
use crate::watch::stages::WatchedStages;

// Keys that all doors together look at at a time.
pub(super) const LOOKS_IN_FLIGHT: usize = 16;
// Keys remembered as gone; 16 bytes each.
const MOST_GONE: usize = 100_000;
// After so many attempts an object that alone fails is left to the next listing.
const ATTEMPTS: u32 = 4;
// Characters of a message that appear in the log.
const SHOWN_CHARS: usize = 200;

/// Turns events into jobs and removals; all doors share one.
pub(crate) struct EventDoor {
    pub(super) bucket: Bucket,
    pub(super) source: EventSource,
    index: Index,
    filter: Arc<KeyFilter>,
    stages: WatchedStages,
    looks: Semaphore,
    // Held while rows are removed: deletes of one table conflict with each other.
    removing: Mutex<()>,
    // Hashes of keys under which an event found no object.
    gone: StdMutex<HashSet<ImageId>>,
}

impl EventDoor {
    pub(crate) fn new(
        parts: &IngestParts,
        index: Index,
        filter: Arc<KeyFilter>,
        stages: WatchedStages,
    ) -> Self {
        Self {
            bucket: parts.bucket.clone(),
            source: parts.settings.events.source,
            index,
            filter,
            stages,
            looks: Semaphore::new(LOOKS_IN_FLIGHT),
            removing: Mutex::new(()),
            gone: StdMutex::default(),
        }
    }

    /// Looks at the key of the event. If no object lies there, looks at the other decoding of the
    /// key too. Returns whether that led to a job or a removal.
    pub(super) async fn act(&self, event: &ObjectEvent) -> anyhow::Result<bool> {
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

    /// Brings one key up to date, from what the store says now: an event may be old. Returns
    /// whether an object lies there, and whether anything was to do.
    async fn look(&self, key: &str) -> anyhow::Result<(bool, bool)> {
        // Tables before bucket: an object that is indexed in between is then not mistaken for
        // former content.
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
        for stage in self.stages.iter() {
            stage.published.forget(&outdated);
        }
        let (there, mut done) = (present.is_some(), !outdated.is_empty());
        let was_gone = self.note_presence(key, there);
        if let Some(object) = &present
            && was_gone
        {
            // Its job may have found nothing; the same bytes put again have the same identity.
            for stage in self.stages.iter() {
                stage.published.forget_unless_dead(&object.image_id());
            }
        }
        if let Some(object) = present {
            for stage in self.stages.iter() {
                if !stage.table.has(&object).await? {
                    done |= stage.published.publish(object.clone(), Origin::Event).await?;
                }
            }
        }
        Ok((there, done))
    }

    /// Notes whether an object lies under the key; returns whether it was noted as gone before.
    fn note_presence(&self, key: &str, there: bool) -> bool {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = ImageId::of(self.bucket.name(), key, "");
        if there {
            return gone.remove(&hash);
        }
        // Only a memory: a key that is dropped here waits for the next listing.
        if gone.len() >= MOST_GONE {
            gone.clear();
        }
        gone.insert(hash);
        false
    }

    /// Acts on the event, however long store, tables or broker are away. Gives up an object if the
    /// store fails for it alone: the listing finds it.
    pub(super) async fn act_in_the_end(&self, event: &ObjectEvent) {
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

    /// The events of one message that concern us. An unreadable message is counted and logged.
    pub(super) fn read(&self, door: &'static str, body: &[u8], via: Via) -> Vec<ObjectEvent> {
        match parse_notification(body, self.source, via) {
            Ok(mut events) => {
                // The store reports changes of our own tables too.
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

/// Counts events that came in by a door.
pub(super) fn count(door: &'static str, events: usize) {
    metrics::counter!("bucketlens_ingest_events_total", "door" => door).increment(events as u64);
}

/// The beginning of a stranger's message, without control characters, for the log.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * SHOWN_CHARS)]);
    text.chars().take(SHOWN_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
