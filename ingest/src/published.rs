//! The way from "this object lacks a row" to a confirmed job, and the memory of what is on its way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pipeline::job::{Job, Origin, StageName};
use pipeline::publish::{Outgoing, PublishError, Publisher};
use pipeline::topology::Topology;
use pipeline::{ImageId, ObjectRef};

/// Publishes jobs and remembers which are on their way, so that neither ten equal events nor a listing every two
/// seconds publish an object again while it waits in a queue or lies among the dead letters. Some 50 bytes per object.
///
/// Only a memory, never the truth: what has been on its way for too long is looked into (see [`Self::overdue`]).
#[derive(Clone)]
pub(crate) struct Published {
    publisher: Publisher,
    topology: Topology,
    on_their_way: Arc<Mutex<HashMap<ImageId, Instant>>>,
}

/// Takes an id off the way again unless its publish was confirmed, also when the caller gives up in between.
struct Claim<'a> {
    published: &'a Published,
    id: ImageId,
    confirmed: bool,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.confirmed {
            self.published.ids().remove(&self.id);
        }
    }
}

impl Published {
    pub(crate) fn new(publisher: Publisher, topology: Topology) -> Self {
        Self { publisher, topology, on_their_way: Arc::default() }
    }

    /// Publishes a job unless one is on its way already; returns whether it did. Waits for the broker's confirm.
    pub(crate) async fn publish(&self, object: ObjectRef, origin: Origin) -> Result<bool, PublishError> {
        let id = object.image_id();
        if self.ids().contains_key(&id) {
            return Ok(false);
        }
        self.ids().insert(id, Instant::now());
        let mut claim = Claim { published: self, id, confirmed: false };
        let job = Job::new(StageName::embed(), object, origin);
        self.publisher.publish(Outgoing::job(&self.topology, &job)).await?;
        claim.confirmed = true;
        metrics::counter!("bucketlens_ingest_published_total", "origin" => origin.as_str()).increment(1);
        Ok(true)
    }

    /// Notes jobs that are known to exist: from an earlier process, or still among the dead letters.
    pub(crate) fn remember(&self, ids: impl Iterator<Item = ImageId>) {
        let now = Instant::now();
        self.ids().extend(ids.map(|id| (id, now)));
    }

    /// Whether anything has been on its way for longer than `limit`.
    pub(crate) fn overdue(&self, limit: Duration) -> bool {
        self.ids().values().any(|since| since.elapsed() > limit)
    }

    /// Forgets what has been on its way for longer than `limit`: it is published again if it still lacks a row.
    pub(crate) fn forget_overdue(&self, limit: Duration) {
        self.ids().retain(|_, since| since.elapsed() <= limit);
    }

    /// Forgets these.
    pub(crate) fn forget(&self, ids: &[ImageId]) {
        let mut on_their_way = self.ids();
        for id in ids {
            on_their_way.remove(id);
        }
    }

    /// Keeps only those that are still to arrive.
    pub(crate) fn retain(&self, awaited: impl Fn(&ImageId) -> bool) {
        self.ids().retain(|id, _| awaited(id));
    }

    fn ids(&self) -> MutexGuard<'_, HashMap<ImageId, Instant>> {
        self.on_their_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
