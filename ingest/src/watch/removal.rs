//! Whether an object that a listing did not show is really gone. Rows are removed only after a
//! HEAD, never because of an empty listing, and never very many at once (the mass-delete breaker).

use std::collections::HashMap;

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use pipeline::ImageId;
use pipeline::bucket::Bucket;
use pipeline::filter::KeyFilter;
use table::ledger::StoredVersion;

use super::ids::Ids;
use super::index::Index;

const HEADS_IN_FLIGHT: usize = 16;
// Bounds the memory for keys.
const LOOKED_UP_AT_ONCE: usize = 10_000;
// The mass-delete breaker does not apply to buckets with fewer indexed objects.
const SHARE_APPLIES_ABOVE: usize = 100;

/// What became of object versions that were not in the listing. A version that exists after all is
/// in no list.
#[derive(Debug, Default)]
pub(super) struct Fates {
    /// The object is gone, or its new content is not indexed yet.
    pub(super) gone: Vec<ImageId>,
    /// The object's new content is indexed.
    pub(super) overwritten: Vec<ImageId>,
    /// Their key is no longer watched, or they lie in another bucket.
    pub(super) unwatched: Vec<ImageId>,
}

enum Fate {
    Gone(ImageId),
    Overwritten(ImageId),
    Present,
}

/// Whether removing this many needs `--allow-mass-delete`.
pub(super) fn too_many(gone: usize, total: usize, share: f64) -> bool {
    total > SHARE_APPLIES_ABOVE && gone as f64 > share * total as f64
}

/// Asks the store about object versions that a listing did not show.
pub(super) struct SuspectCheck<'a> {
    pub(super) bucket: &'a Bucket,
    pub(super) index: &'a Index,
    pub(super) filter: &'a KeyFilter,
    /// The versions that the active model has a row of.
    pub(super) indexed: &'a Ids,
    /// Whether the listing showed no watched object at all.
    pub(super) nothing_listed: bool,
}

impl SuspectCheck<'_> {
    pub(super) async fn ask(&self, lost: &[ImageId]) -> anyhow::Result<Fates> {
        let mut fates = Fates::default();
        for some in lost.chunks(LOOKED_UP_AT_ONCE) {
            let located =
                self.index.locate(some).await.context("looking up objects no longer listed")?;
            let is_ours = |row: &StoredVersion| {
                self.filter.matches(&row.key) && row.bucket == self.bucket.name()
            };
            let (suspects, unwatched): (HashMap<_, _>, HashMap<_, _>) =
                located.into_iter().partition(|(_, row)| is_ours(row));
            fates.unwatched.extend(unwatched.into_keys());
            anyhow::ensure!(
                suspects.is_empty() || !self.nothing_listed,
                "the listing of bucket '{}' is empty although objects of it are indexed: nothing \
                 is removed. If the bucket was emptied on purpose, remove the tables below \
                 bucket.own_prefix too",
                self.bucket.name(),
            );
            let asking = suspects.into_iter().map(|(id, row)| self.fate(id, row));
            let answers: Vec<_> =
                stream::iter(asking).buffer_unordered(HEADS_IN_FLIGHT).try_collect().await?;
            for fate in answers {
                match fate {
                    Fate::Gone(id) => fates.gone.push(id),
                    Fate::Overwritten(id) => fates.overwritten.push(id),
                    Fate::Present => {}
                }
            }
        }
        Ok(fates)
    }

    async fn fate(&self, id: ImageId, row: StoredVersion) -> anyhow::Result<Fate> {
        let present = self.bucket.head(&row.key).await?.map(|object| object.image_id());
        Ok(match present {
            Some(present) if present == id => Fate::Present,
            Some(present) if self.indexed.contains(&present) => Fate::Overwritten(id),
            _ => Fate::Gone(id),
        })
    }
}
