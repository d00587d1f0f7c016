//! The way from "this object lacks a row" to a confirmed job, and the memory of what is on its way.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pipeline::job::{Job, Origin, StageName};
use pipeline::publish::{Outgoing, PublishError, Publisher};
use pipeline::topology::Topology;
use pipeline::{ImageId, ObjectRef};

/// Publishes jobs and remembers which are on their way, so that neither ten equal events nor a listing every two
/// seconds publish an object again while it waits in a queue or lies among the dead letters. 16 bytes per object.
#[derive(Clone)]
pub(crate) struct Published {
    publisher: Publisher,
    topology: Topology,
    on_their_way: Arc<Mutex<HashSet<ImageId>>>,
}

impl Published {
    pub(crate) fn new(publisher: Publisher, topology: Topology) -> Self {
        Self { publisher, topology, on_their_way: Arc::default() }
    }

    /// Publishes a job unless one is on its way already; returns whether it did. Waits for the broker's confirm.
    pub(crate) async fn publish(&self, object: ObjectRef, origin: Origin) -> Result<bool, PublishError> {
        let id = object.image_id();
        if !self.ids().insert(id) {
            return Ok(false);
        }
        let job = Job::new(StageName::embed(), object, origin);
        let result = self.publisher.publish(Outgoing::job(&self.topology, &job)).await;
        if result.is_err() {
            self.ids().remove(&id);
        }
        result?;
        metrics::counter!("bucketlens_ingest_published_total", "origin" => origin.as_str()).increment(1);
        Ok(true)
    }

    /// Notes jobs that were published by an earlier process.
    pub(crate) fn remember(&self, ids: impl Iterator<Item = ImageId>) {
        self.ids().extend(ids);
    }

    /// Forgets what has arrived.
    pub(crate) fn forget(&self, arrived: impl Fn(&ImageId) -> bool) {
        self.ids().retain(|id| !arrived(id));
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<ImageId>> {
        self.on_their_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
