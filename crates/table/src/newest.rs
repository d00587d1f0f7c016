//! Which version of each object is the newest in a table. An object that was overwritten, or whose
//! job was delivered twice, has several rows until `ingest` removes the former ones.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::{Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::error::ArrowError;

use crate::schema::{Facts, column};

// Some 200 bytes each.
const MOST_OBJECTS: usize = 100_000;

/// Bucket and key.
pub(crate) type Object = (String, String);

/// The newest image id of each object.
pub type NewestIds = HashMap<Object, String>;

/// What was looked up in one version of the table. Rows never change within a version, so it need
/// not be looked up again until the next commit. Only a memory: a search works on its own copy, so
/// that searches of different versions cannot take from each other.
#[derive(Debug, Default)]
pub(crate) struct NewestVersions {
    known: Mutex<(u64, NewestIds)>,
}

fn object(facts: &Facts) -> Object {
    (facts.bucket.clone(), facts.key.clone())
}

impl NewestVersions {
    /// What is known about these objects.
    pub(crate) fn recall(&self, version: u64, objects: impl Iterator<Item = Object>) -> NewestIds {
        let known = self.lock();
        if known.0 != version {
            return NewestIds::new();
        }
        objects
            .filter_map(|object| known.1.get_key_value(&object))
            .map(|(object, id)| (object.clone(), id.clone()))
            .collect()
    }

    /// Remembers what was looked up.
    pub(crate) fn remember(&self, version: u64, newest: &NewestIds) {
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

/// The newest row of each object among all rows of some keys: latest write of the object, then
/// latest commit of the row. Needs `image_id`, `bucket`, `key`, `last_modified`, `written_at`.
pub(crate) fn newest_of(rows: &[RecordBatch]) -> Result<NewestIds, ArrowError> {
    let mut newest: HashMap<Object, (Option<i64>, i64, String)> = HashMap::new();
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

/// The keys of the rows that `newest` says nothing about, each once.
pub(crate) fn unknown<T: AsRef<Facts>>(rows: &[T], newest: &NewestIds) -> HashSet<String> {
    let unknown =
        rows.iter().map(AsRef::as_ref).filter(|facts| !newest.contains_key(&object(facts)));
    unknown.map(|facts| facts.key.clone()).collect()
}

/// The rows that are the newest of their object, each object once; their order stays.
pub(crate) fn keep<T: AsRef<Facts>>(rows: Vec<T>, newest: &NewestIds) -> Vec<T> {
    let mut seen = HashSet::new();
    let is_newest =
        |facts: &Facts| newest.get(&object(facts)).is_some_and(|id| *id == facts.image_id);
    rows.into_iter()
        .filter(|row| is_newest(row.as_ref()) && seen.insert(object(row.as_ref())))
        .collect()
}
