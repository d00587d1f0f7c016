//! Whether what a listing did not show is really gone. Rows are removed only after a HEAD, never
//! because of an empty listing, and never very many at once.

use std::collections::HashMap;

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use pipeline::ImageId;
use pipeline::bucket::Bucket;
use pipeline::filter::KeyFilter;
use table::ledger::Stored;

use crate::ids::Ids;
use crate::index::Index;

const HEADS_IN_FLIGHT: usize = 16;
// Bounds the memory for keys.
const LOOKED_UP_AT_ONCE: usize = 10_000;
// Below this many indexed objects any share may go: someone is tidying up a small bucket.
const SHARE_APPLIES_ABOVE: usize = 100;

/// What became of object versions that were not in the listing; those that are there after all are
/// in none.
#[derive(Debug, Default)]
pub(crate) struct Fates {
    /// Nothing takes their place: the object is gone, or its new content is not indexed yet.
    pub(crate) gone: Vec<ImageId>,
    /// The object's new content is indexed.
    pub(crate) overwritten: Vec<ImageId>,
    /// Their key is not watched any more, or lies in another bucket.
    pub(crate) unwatched: Vec<ImageId>,
}

enum Fate {
    Gone(ImageId),
    Overwritten(ImageId),
    Present,
}

/// Whether so many objects may not go at once without being asked for.
pub(crate) fn too_many(gone: usize, total: usize, share: f64) -> bool {
    total > SHARE_APPLIES_ABOVE && gone as f64 > share * total as f64
}

/// Asks the store about each of these object versions.
pub(crate) async fn ask(
    bucket: &Bucket,
    index: &Index,
    filter: &KeyFilter,
    indexed: &Ids,
    lost: &[ImageId],
    nothing_listed: bool,
) -> anyhow::Result<Fates> {
    let mut fates = Fates::default();
    for some in lost.chunks(LOOKED_UP_AT_ONCE) {
        let located = index.locate(some).await.context("looking up what is no longer listed")?;
        let (suspects, unwatched): (HashMap<_, _>, HashMap<_, _>) = located
            .into_iter()
            .partition(|(_, row)| filter.matches(&row.key) && row.bucket == bucket.name());
        fates.unwatched.extend(unwatched.into_keys());
        if !suspects.is_empty() && nothing_listed {
            anyhow::bail!(
                "the listing of bucket '{}' is empty although objects of it are indexed: nothing is removed. If the bucket was \
                 emptied on purpose, remove the tables below bucket.own_prefix too",
                bucket.name(),
            );
        }
        let asking = suspects.into_iter().map(|(id, Stored { key, .. })| async move {
            let fate = match bucket.head(&key).await?.map(|object| object.image_id()) {
                Some(present) if present == id => Fate::Present,
                Some(present) if indexed.contains(&present) => Fate::Overwritten(id),
                _ => Fate::Gone(id),
            };
            anyhow::Ok(fate)
        });
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
