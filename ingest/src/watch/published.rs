//! Publishing the jobs of one stage, each once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use pipeline::job::{Job, Origin, Redo};
use pipeline::publish::{Outgoing, PublishError, Publisher};
use pipeline::stage_name::StageName;
use pipeline::state::StateError;
use pipeline::topology::Topology;
use pipeline::{ImageId, ObjectRef};

use super::journal::{Journal, JournalRecord};
use super::outstanding::{BULK, OutstandingCounts, OutstandingJobs};

/// Publishes jobs and remembers which are on their way. Ten equal events, or a listing every two
/// seconds, publish an object once while its job waits in a queue or is a dead letter. The memory
/// survives restarts in a [`Journal`].
///
/// The memory is never the truth: a job that should have arrived long ago is forgotten (see
/// [`Self::forget_overdue`]) and published again.
#[derive(Clone)]
pub(crate) struct Published {
    publisher: Publisher,
    topology: Topology,
    stage: StageName,
    journal: Journal,
    jobs: Arc<Mutex<OutstandingJobs>>,
}

/// Forgets a job again unless its publish was confirmed, even if the caller gives up in between.
struct PublishClaim<'a> {
    published: &'a Published,
    id: ImageId,
    confirmed: bool,
}

impl Drop for PublishClaim<'_> {
    fn drop(&mut self) {
        if !self.confirmed {
            self.published.jobs().forget([&self.id]);
        }
    }
}

impl Published {
    pub(crate) fn new(
        publisher: Publisher,
        topology: Topology,
        stage: StageName,
        journal: Journal,
    ) -> Self {
        Self { publisher, topology, stage, journal, jobs: Arc::default() }
    }

    /// Where the memory survives restarts.
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Takes over the jobs of an earlier process; returns how many are on their way.
    pub(crate) async fn recall(&self) -> Result<usize, StateError> {
        self.journal.load(|record, since| self.jobs().recall(record, since)).await?;
        Ok(self.jobs().len())
    }

    /// Whether a job for this object version is on its way, dead or withheld.
    pub(crate) fn holds(&self, id: &ImageId) -> bool {
        self.jobs().contains(id)
    }

    /// Publishes a job unless one is outstanding; returns whether it did. Waits for the broker's
    /// confirm.
    pub(crate) async fn publish(
        &self,
        object: ObjectRef,
        origin: Origin,
    ) -> Result<bool, PublishError> {
        let id = object.image_id();
        let flags = if matches!(origin, Origin::Sweep | Origin::Replay) { BULK } else { 0 };
        if !self.jobs().begin(id, flags) {
            return Ok(false);
        }
        let mut claim = PublishClaim { published: self, id, confirmed: false };
        let job = Job::new(self.stage.clone(), object, origin);
        self.publisher.publish(Outgoing::job(&self.topology, &job)).await?;
        claim.confirmed = true;
        self.jobs().confirm(&id);
        self.journal.note(JournalRecord { id, flags });
        let (stage, origin) = (self.stage.to_string(), origin.as_str());
        metrics::counter!("bucketlens_ingest_published_total", "stage" => stage, "origin" => origin)
            .increment(1);
        Ok(true)
    }

    /// Publishes a job for an object version whose row exists.
    pub(crate) async fn publish_again(
        &self,
        object: ObjectRef,
        redo: Redo,
    ) -> Result<(), PublishError> {
        let job = Job::new(self.stage.clone(), object, Origin::Sweep).again(redo);
        self.publisher.publish(Outgoing::job(&self.topology, &job)).await?;
        let stage = self.stage.to_string();
        metrics::counter!("bucketlens_ingest_published_again_total", "stage" => stage).increment(1);
        Ok(())
    }

    /// Notes these as dead letters. If they are `all` there are, an earlier dead letter that is not
    /// among them counts as on its way from now on.
    pub(crate) fn note_dead(&self, ids: impl Iterator<Item = ImageId>, all: bool) {
        self.jobs().note_dead(ids, all);
    }

    /// Whether [`Self::forget_overdue`] would forget anything.
    pub(crate) fn any_overdue(&self, limit: Duration) -> bool {
        self.jobs().any_overdue(limit)
    }

    /// Forgets the jobs that have been on their way for longer than `limit` and are neither dead
    /// nor withheld. They are published again if their row is still missing. Returns how many.
    pub(crate) fn forget_overdue(&self, limit: Duration) -> usize {
        self.jobs().forget_overdue(limit)
    }

    /// Forgets a job unless it is a dead letter.
    pub(crate) fn forget_unless_dead(&self, id: &ImageId) {
        self.jobs().forget_unless_dead(id);
    }

    /// Forgets these jobs.
    pub(crate) fn forget(&self, ids: &[ImageId]) {
        self.jobs().forget(ids);
    }

    /// An operator emptied the bulk queue at this moment: the jobs that were in it are withheld.
    pub(crate) fn withhold(&self, until: Timestamp) {
        // The journal notes each of them. Its segments are a little younger than the jobs in them,
        // so after a restart the moment alone would not tell.
        self.jobs().withhold(until, |record| self.journal.note(record));
    }

    /// Withholds these without publishing them, because their backfill was cancelled meanwhile.
    pub(crate) fn withhold_unpublished(&self, ids: impl Iterator<Item = ImageId>) {
        self.jobs().withhold_unpublished(ids, |record| self.journal.note(record));
    }

    /// Forgets the withheld jobs, so that they are published again. Returns how many.
    pub(crate) fn release(&self) -> usize {
        self.jobs().release()
    }

    /// Forgets the jobs whose rows exist.
    pub(crate) fn forget_arrived(&self, indexed: impl Fn(&ImageId) -> bool) {
        self.jobs().forget_arrived(indexed);
    }

    /// Begins a listing. [`Self::note_listed`] follows for its objects, and after a full listing
    /// [`Self::forget_unlisted`].
    pub(crate) fn begin_listing(&self) {
        self.jobs().begin_listing();
    }

    /// These objects are in the listing.
    pub(crate) fn note_listed<'a>(&self, ids: impl Iterator<Item = &'a ImageId>) {
        self.jobs().note_listed(ids);
    }

    /// Forgets the jobs whose object was not in the listing. The object is gone; uploaded again, it
    /// is new.
    pub(crate) fn forget_unlisted(&self) {
        self.jobs().forget_unlisted();
    }

    /// Rewrites the journal where that makes it much smaller.
    pub(crate) async fn tidy_journal(&self) -> Result<(), StateError> {
        let live = self.jobs().len();
        self.journal.rewrite(live, || self.jobs().records()).await
    }

    pub(crate) fn counts(&self) -> OutstandingCounts {
        self.jobs().counts()
    }

    fn jobs(&self) -> MutexGuard<'_, OutstandingJobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
