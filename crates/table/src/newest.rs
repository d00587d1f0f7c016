//! The newest version of each object in a table. An object that was overwritten, or whose job was
//! delivered twice, has several rows until `ingest` removes the former ones.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::{Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::error::ArrowError;

use crate::error::TableError;
use crate::expression::{MOST_VALUES, one_of};
use crate::ledger::Ledger;
use crate::schema::column;

// Some 200 bytes each.
const MOST_OBJECTS: usize = 100_000;

/// Bucket and key of an object.
pub(crate) type BucketKey = (String, String);

/// The newest image id of each object, by bucket and key.
pub type NewestIds = HashMap<BucketKey, String>;

impl Ledger {
    /// The newest object version of each of these keys, by bucket and key. Keys without a row are
    /// left out.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn newest(&self, keys: &HashSet<String>) -> Result<NewestIds, TableError> {
        let keys: Vec<_> = keys.iter().collect();
        let mut ids = NewestIds::new();
        for some in keys.chunks(MOST_VALUES) {
            let columns = ["image_id", "bucket", "key", "last_modified", "written_at"];
            let rows = self.rows(Some(one_of("key", some)), &columns).await?;
            ids.extend(newest_of(&rows).map_err(|error| self.unusable(error))?);
        }
        Ok(ids)
    }
}

/// The newest ids that were looked up in one version of a table. Rows never change within a
/// version, so they hold until the next commit. A search works on its own copy, so searches in
/// different versions do not disturb each other.
#[derive(Debug, Default)]
pub(crate) struct NewestCache {
    known: Mutex<(u64, NewestIds)>,
}

impl NewestCache {
    /// The newest ids of at least these objects in a snapshot, looked up only if they are not known
    /// yet.
    pub(crate) async fn of(
        &self,
        snapshot: &Ledger,
        objects: Vec<BucketKey>,
    ) -> Result<NewestIds, TableError> {
        let version = snapshot.version().await?;
        let mut newest = self.recall(version, &objects);
        let unknown: HashSet<_> = objects
            .into_iter()
            .filter(|object| !newest.contains_key(object))
            .map(|(_, key)| key)
            .collect();
        if !unknown.is_empty() {
            let looked_up = snapshot.newest(&unknown).await?;
            self.remember(version, &looked_up);
            newest.extend(looked_up);
        }
        Ok(newest)
    }

    fn recall(&self, version: u64, objects: &[BucketKey]) -> NewestIds {
        let known = self.lock();
        if known.0 != version {
            return NewestIds::new();
        }
        objects
            .iter()
            .filter_map(|object| known.1.get_key_value(object))
            .map(|(object, id)| (object.clone(), id.clone()))
            .collect()
    }

    fn remember(&self, version: u64, newest: &NewestIds) {
        if newest.len() > MOST_OBJECTS {
            return;
        }
        let mut known = self.lock();
        if known.0 != version || known.1.len() + newest.len() > MOST_OBJECTS {
            *known = (version, NewestIds::new());
        }
        known.1.extend(newest.iter().map(|(object, id)| (object.clone(), id.clone())));
    }

    fn lock(&self) -> MutexGuard<'_, (u64, NewestIds)> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest row of each object among all rows of some keys: first by the latest write of the
/// object, then by the latest commit of the row.
fn newest_of(rows: &[RecordBatch]) -> Result<NewestIds, ArrowError> {
    let mut newest: HashMap<BucketKey, (Option<i64>, i64, String)> = HashMap::new();
    for batch in rows {
        let text = |name| column::<StringArray>(batch, name);
        let (ids, buckets, keys) = (text("image_id")?, text("bucket")?, text("key")?);
        let modified: &TimestampMicrosecondArray = column(batch, "last_modified")?;
        let written: &TimestampMicrosecondArray = column(batch, "written_at")?;
        for row in 0..batch.num_rows() {
            let modified = modified.is_valid(row).then(|| modified.value(row));
            let candidate = (modified, written.value(row), ids.value(row).to_owned());
            let object = (buckets.value(row).to_owned(), keys.value(row).to_owned());
            let best = newest.entry(object).or_insert_with(|| candidate.clone());
            if candidate > *best {
                *best = candidate;
            }
        }
    }
    Ok(newest.into_iter().map(|(object, (_, _, id))| (object, id)).collect())
}
