//! The way from "this object lacks a row" to a confirmed job of one stage, and the memory of what
//! is on its way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use pipeline::job::{Job, Origin, Redo};
use pipeline::publish::{Outgoing, PublishError, Publisher};
use pipeline::stage_name::StageName;
use pipeline::state::StateError;
use pipeline::topology::Topology;
use pipeline::{ImageId, ObjectRef};

use crate::journal::{Journal, Record};

/// Its job went to the bulk queue.
const BULK: u8 = 1;
/// Its job was taken off the bulk queue by the operator: not published again until a sweep is asked
/// for.
const WITHHELD: u8 = 2;
/// It lies among the dead letters.
const DEAD: u8 = 4;
/// Its publish is not confirmed yet.
const UNCONFIRMED: u8 = 8;

/// One object version on its way.
#[derive(Debug, Clone, Copy)]
struct Entry {
    // Unix seconds, good until 2106: a map of these takes 32 bytes per slot.
    since: u32,
    flags: u8,
    // Number of the last full listing that held the object, modulo 256.
    listing: u8,
}

/// Publishes jobs and remembers which are on their way, so that neither ten equal events nor a
/// listing every two seconds publish an object again while it waits in a queue or lies among the
/// dead letters. 33 bytes per slot of a hash table that is at most 7/8 and on average 2/3 full;
/// survives restarts in a [`Journal`].
///
/// Only a memory, never the truth: what should have arrived long ago is forgotten (see
/// [`Self::forget_overdue`]).
#[derive(Clone)]
pub(crate) struct Published {
    publisher: Publisher,
    topology: Topology,
    stage: StageName,
    journal: Journal,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<ImageId, Entry>,
    listing: u8,
}

/// How many of the remembered are of which kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) on_their_way: usize,
    pub(crate) dead: usize,
    pub(crate) withheld: usize,
}

/// Takes an id off the way again unless its publish was confirmed, also when the caller gives up in
/// between.
struct Claim<'a> {
    published: &'a Published,
    id: ImageId,
    confirmed: bool,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.confirmed {
            self.published.lock().entries.remove(&self.id);
        }
    }
}

fn now() -> u32 {
    u32::try_from(Timestamp::now().as_second()).unwrap_or(u32::MAX)
}

fn deadline(limit: Duration) -> u32 {
    now().saturating_sub(u32::try_from(limit.as_secs()).unwrap_or(u32::MAX))
}

impl Entry {
    fn overdue(&self, deadline: u32) -> bool {
        self.since <= deadline && self.flags & (DEAD | WITHHELD | UNCONFIRMED) == 0
    }
}

impl Published {
    pub(crate) fn new(
        publisher: Publisher,
        topology: Topology,
        stage: StageName,
        journal: Journal,
    ) -> Self {
        Self { publisher, topology, stage, journal, inner: Arc::default() }
    }

    /// Where it survives restarts.
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Takes up what an earlier process had published.
    pub(crate) async fn recall(&self) -> Result<usize, StateError> {
        let take = |Record { id, flags }, since| {
            let mut inner = self.lock();
            let listing = inner.listing;
            let entry = inner.entries.entry(id).or_insert(Entry { since, flags, listing });
            if since >= entry.since {
                *entry = Entry { since, flags, listing };
            }
        };
        self.journal.load(take).await?;
        Ok(self.lock().entries.len())
    }

    /// Whether a job for this object version is on its way, dead or withheld.
    pub(crate) fn holds(&self, id: &ImageId) -> bool {
        self.lock().entries.contains_key(id)
    }

    /// Publishes a job unless one is on its way already; returns whether it did. Waits for the
    /// broker's confirm.
    pub(crate) async fn publish(
        &self,
        object: ObjectRef,
        origin: Origin,
    ) -> Result<bool, PublishError> {
        let id = object.image_id();
        let flags = if matches!(origin, Origin::Sweep | Origin::Replay) { BULK } else { 0 };
        {
            let mut inner = self.lock();
            let listing = inner.listing;
            if inner.entries.contains_key(&id) {
                return Ok(false);
            }
            inner.entries.insert(id, Entry { since: now(), flags: flags | UNCONFIRMED, listing });
        }
        let mut claim = Claim { published: self, id, confirmed: false };
        let job = Job::new(self.stage.clone(), object, origin);
        self.publisher.publish(Outgoing::job(&self.topology, &job)).await?;
        claim.confirmed = true;
        if let Some(entry) = self.lock().entries.get_mut(&id) {
            entry.flags &= !UNCONFIRMED;
        }
        self.journal.note(Record { id, flags });
        metrics::counter!("bucketlens_ingest_published_total", "stage" => self.stage.to_string(), "origin" => origin.as_str())
            .increment(1);
        Ok(true)
    }

    /// Publishes a job for an object version whose rows are there.
    pub(crate) async fn publish_again(
        &self,
        object: ObjectRef,
        redo: Redo,
    ) -> Result<(), PublishError> {
        let job = Job::new(self.stage.clone(), object, Origin::Sweep).again(redo);
        self.publisher.publish(Outgoing::job(&self.topology, &job)).await?;
        metrics::counter!("bucketlens_ingest_published_again_total", "stage" => self.stage.to_string()).increment(1);
        Ok(())
    }

    /// Notes these as dead letters. If they are `all` there are, what was noted before and is not
    /// among them is on its way (replayed) or gone.
    pub(crate) fn note_dead(&self, ids: impl Iterator<Item = ImageId>, all: bool) {
        let now = now();
        let mut inner = self.lock();
        let listing = inner.listing;
        for entry in inner.entries.values_mut().filter(|entry| all && entry.flags & DEAD != 0) {
            // Counted from now: a replayed one has just set out again.
            *entry = Entry { since: now, flags: entry.flags & !DEAD, ..*entry };
        }
        for id in ids {
            inner.entries.entry(id).or_insert(Entry { since: now, flags: 0, listing }).flags |=
                DEAD;
        }
    }

    /// Whether [`Self::forget_overdue`] would forget anything.
    pub(crate) fn any_overdue(&self, limit: Duration) -> bool {
        let deadline = deadline(limit);
        self.lock().entries.values().any(|entry| entry.overdue(deadline))
    }

    /// Forgets what has been on its way for longer than `limit` and is neither dead nor withheld:
    /// it is published again if it still lacks a row. Returns how many.
    pub(crate) fn forget_overdue(&self, limit: Duration) -> usize {
        let deadline = deadline(limit);
        let mut inner = self.lock();
        let before = inner.entries.len();
        inner.entries.retain(|_, entry| !entry.overdue(deadline));
        before - inner.entries.len()
    }

    /// Forgets it unless it lies among the dead letters.
    pub(crate) fn forget_unless_dead(&self, id: &ImageId) {
        let mut inner = self.lock();
        if inner.entries.get(id).is_some_and(|entry| entry.flags & DEAD == 0) {
            inner.entries.remove(id);
        }
    }

    /// Forgets these.
    pub(crate) fn forget(&self, ids: &[ImageId]) {
        let mut inner = self.lock();
        for id in ids {
            inner.entries.remove(id);
        }
    }

    /// The operator emptied the bulk queue at this moment: what had been put there before is
    /// withheld.
    pub(crate) fn withhold(&self, before: Timestamp) {
        let before = u32::try_from(before.as_second()).unwrap_or(0);
        for (id, entry) in &mut self.lock().entries {
            if entry.flags & (BULK | DEAD | WITHHELD) == BULK && entry.since <= before {
                entry.flags |= WITHHELD;
                // A segment is a little younger than what it holds, so the moment alone would not
                // tell after a restart.
                self.journal.note(Record { id: *id, flags: entry.flags & !UNCONFIRMED });
            }
        }
    }

    /// Withholds these without publishing them, because the backfill they belong to was cancelled
    /// meanwhile.
    pub(crate) fn withhold_these(&self, ids: impl Iterator<Item = ImageId>) {
        let mut inner = self.lock();
        let listing = inner.listing;
        for id in ids {
            inner.entries.entry(id).or_insert(Entry {
                since: now(),
                flags: BULK | WITHHELD,
                listing,
            });
            self.journal.note(Record { id, flags: BULK | WITHHELD });
        }
    }

    /// Forgets what is withheld, so that it is published again. Returns how many.
    pub(crate) fn release(&self) -> usize {
        let mut inner = self.lock();
        let before = inner.entries.len();
        inner.entries.retain(|_, entry| entry.flags & WITHHELD == 0);
        before - inner.entries.len()
    }

    /// Forgets what has arrived.
    pub(crate) fn arrived(&self, indexed: impl Fn(&ImageId) -> bool) {
        self.lock().entries.retain(|id, _| !indexed(id));
    }

    /// Begins a full listing; call [`Self::listed`] for what it holds, then
    /// [`Self::forget_unlisted`].
    pub(crate) fn begin_listing(&self) -> u32 {
        let mut inner = self.lock();
        inner.listing = inner.listing.wrapping_add(1);
        now()
    }

    /// These objects are in the listing.
    pub(crate) fn listed<'a>(&self, ids: impl Iterator<Item = &'a ImageId>) {
        let mut inner = self.lock();
        let listing = inner.listing;
        for id in ids {
            if let Some(entry) = inner.entries.get_mut(id) {
                entry.listing = listing;
            }
        }
    }

    /// Forgets what was not in the listing that began at `begun`: what is gone has no job to wait
    /// for, and uploaded again it is new.
    pub(crate) fn forget_unlisted(&self, begun: u32) {
        let mut inner = self.lock();
        let listing = inner.listing;
        inner.entries.retain(|_, entry| entry.listing == listing || entry.since >= begun);
    }

    /// Makes the journal small again where that is worth it.
    pub(crate) async fn tidy_journal(&self) -> Result<(), StateError> {
        let live = self.lock().entries.len();
        let records = || {
            self.lock()
                .entries
                .iter()
                .map(|(id, entry)| Record { id: *id, flags: entry.flags & !UNCONFIRMED })
                .collect()
        };
        self.journal.rewrite(live, records).await
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for entry in self.lock().entries.values() {
            match entry.flags {
                flags if flags & DEAD != 0 => counts.dead += 1,
                flags if flags & WITHHELD != 0 => counts.withheld += 1,
                _ => counts.on_their_way += 1,
            }
        }
        counts
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
