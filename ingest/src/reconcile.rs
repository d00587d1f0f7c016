//! Listing × tables: publish what is missing, remove what is gone. The bucket is the truth; this comparison needs no
//! event and no memory to arrive at it.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use pipeline::bucket::Bucket;
use pipeline::filter::KeyFilter;
use pipeline::job::Origin;
use pipeline::{ImageId, ObjectRef};

use crate::index::{Index, Snapshot};
use crate::published::Published;

// As many publishes in flight as one window of the publisher takes.
const PUBLISHES_IN_FLIGHT: usize = 256;
const HEADS_IN_FLIGHT: usize = 16;
// Below this many indexed objects any share may go: someone is tidying up a small bucket.
const SHARE_APPLIES_ABOVE: usize = 100;

pub(crate) struct Reconciler {
    bucket: Bucket,
    index: Index,
    filter: Arc<KeyFilter>,
    published: Published,
    prefix: String,
    max_delete_share: f64,
    snapshot: Snapshot,
    // Indexed, but no longer watched since the filter was changed: left alone, and not asked for again.
    unwatched: HashSet<ImageId>,
    first: bool,
}

/// Why an indexed object version was not in the listing.
enum Fate {
    /// Nothing takes its place: it is gone, or its new content is not indexed yet.
    Lost(ImageId),
    /// Its new content is indexed.
    Replaced(ImageId),
    Present,
}

impl Reconciler {
    pub(crate) fn new(
        bucket: Bucket,
        index: Index,
        filter: Arc<KeyFilter>,
        published: Published,
        prefix: String,
        max_delete_share: f64,
    ) -> Self {
        let (snapshot, unwatched) = (Snapshot::default(), HashSet::new());
        Self { bucket, index, filter, published, prefix, max_delete_share, snapshot, unwatched, first: true }
    }

    /// One full comparison. An error anywhere ends it before anything is removed; what was published stays published.
    pub(crate) async fn run(&mut self) -> anyhow::Result<()> {
        let begun = std::time::Instant::now();
        // Tables before listing: whatever is indexed in between is then listed too, never taken for gone.
        self.index.refresh(&mut self.snapshot).await.context("reading the tables")?;
        let held = &self.snapshot.held;
        self.published.retain(|id| !held.get(id).is_some_and(|held| held.embedding));
        let listed = self.publish_missing().await?;
        // What is gone has no job to wait for; uploaded again it is new.
        self.published.retain(|id| listed.contains(id));
        let lost: Vec<_> =
            self.snapshot.held.keys().filter(|id| !listed.contains(id) && !self.unwatched.contains(id)).copied().collect();
        if !lost.is_empty() {
            self.remove(&lost, listed.is_empty()).await?;
        }
        self.first = false;
        metrics::gauge!("bucketlens_ingest_listed_objects").set(listed.len() as f64);
        metrics::gauge!("bucketlens_ingest_reconcile_seconds").set(begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// Lists the bucket and publishes what has no vector. Returns the identities of all watched objects.
    async fn publish_missing(&self) -> anyhow::Result<HashSet<ImageId>> {
        // What lies there at the first look is a backfill and must not hold up what people upload now.
        let origin = if self.first { Origin::Sweep } else { Origin::Watch };
        let mut listed = HashSet::with_capacity(self.snapshot.held.len());
        let mut token = None;
        loop {
            let page = self.bucket.list_page(&self.prefix, token).await?;
            let watched: Vec<_> = page.objects.into_iter().filter(|object| self.filter.matches(&object.key)).collect();
            listed.extend(watched.iter().map(ObjectRef::image_id));
            let missing = watched.into_iter().filter(|object| {
                let held = self.snapshot.held.get(&object.image_id());
                !held.is_some_and(|held| held.embedding)
            });
            let publishing = stream::iter(missing).map(|object| self.published.publish(object, origin));
            let count = publishing
                .buffer_unordered(PUBLISHES_IN_FLIGHT)
                .try_fold(0, |count, new| std::future::ready(Ok(count + usize::from(new))))
                .await?;
            if count > 0 {
                tracing::info!(jobs = count, origin = origin.as_str(), "published");
            }
            token = page.next;
            if token.is_none() {
                return Ok(listed);
            }
        }
    }

    /// Removes the rows of what is really gone or overwritten: a listing only raises the suspicion, a HEAD decides.
    async fn remove(&mut self, lost: &[ImageId], nothing_listed: bool) -> anyhow::Result<()> {
        let located = self.index.locate(lost).await.context("looking up what is no longer listed")?;
        let mut suspects = Vec::new();
        for (id, row) in located {
            if self.filter.matches(&row.key) && row.bucket == self.bucket.name() {
                suspects.push((id, row.key));
            } else {
                self.unwatched.insert(id);
            }
        }
        if suspects.is_empty() {
            return Ok(());
        }
        if nothing_listed {
            anyhow::bail!(
                "the listing of bucket '{}' is empty although {} of its objects are indexed: nothing is removed. If the bucket was \
                 emptied on purpose, remove the tables below bucket.own_prefix too",
                self.bucket.name(),
                suspects.len()
            );
        }
        let (bucket, held) = (&self.bucket, &self.snapshot.held);
        let asking = suspects.into_iter().map(|(id, key)| async move {
            let fate = match bucket.head(&key).await?.map(|object| object.image_id()) {
                Some(present) if present == id => Fate::Present,
                Some(present) if held.get(&present).is_some_and(|held| held.embedding) => Fate::Replaced(id),
                _ => Fate::Lost(id),
            };
            anyhow::Ok(fate)
        });
        let fates: Vec<_> = stream::iter(asking).buffer_unordered(HEADS_IN_FLIGHT).try_collect().await?;
        let (mut removed, mut gone) = (Vec::new(), Vec::new());
        for fate in fates {
            match fate {
                Fate::Lost(id) => gone.push(id),
                Fate::Replaced(id) => removed.push(id),
                Fate::Present => {}
            }
        }
        let (total, allowed) = (self.snapshot.held.len(), self.max_delete_share * self.snapshot.held.len() as f64);
        let refused = total > SHARE_APPLIES_ABOVE && gone.len() as f64 > allowed;
        if !refused {
            removed.extend(&gone);
        }
        self.index.remove(&removed).await.context("removing rows of objects that are gone or overwritten")?;
        for id in &removed {
            self.snapshot.held.remove(id);
        }
        self.published.forget(&removed);
        if !removed.is_empty() {
            metrics::counter!("bucketlens_ingest_removed_total").increment(removed.len() as u64);
            tracing::info!(objects = removed.len(), "removed rows of objects that are gone or overwritten");
        }
        if refused {
            anyhow::bail!(
                "{} of {total} indexed objects are gone from bucket '{}' or have other content, more than watch.max_delete_share = {}: \
                 their rows are kept. If that is on purpose, raise the setting once",
                gone.len(),
                self.bucket.name(),
                self.max_delete_share
            );
        }
        Ok(())
    }
}
