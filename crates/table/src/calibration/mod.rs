//! A small sample of a table's vectors, as one object beside the tables: a process that searches
//! learns from it how near vectors of this table usually lie, without reading a row. `ingest` takes
//! the sample; whoever finds none, or a damaged one, samples the table itself.
//! The object is `NAME.calibration` beside the folder of the table.

mod encoding;

use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};

use crate::error::TableError;
use crate::ledger::Ledger;
use crate::location::Database;
use crate::schema::Space;

/// Bytes before the header.
const HEADER_BEGINS: usize = 20;
/// Most vectors of a sample.
const MOST_VECTORS: usize = 1000;
/// Most bytes of the object, and of its header.
const MOST_BYTES: usize = 8 << 20;
const MOST_HEADER_BYTES: usize = 4096;

/// A sample of the vectors of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// What was sampled.
    pub of: CalibrationSource,
    /// Vectors of rows chosen at random, at most 1,000.
    pub vectors: Vec<Vec<f32>>,
}

/// What was sampled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalibrationSource {
    /// Name of the table.
    pub table: String,
    /// Version that was sampled.
    pub version: u64,
    /// Rows of that version.
    pub rows: usize,
    /// Space of the vectors.
    pub space: String,
    /// Hash of the manifest they were made with.
    pub manifest_hash: String,
    /// Length of a vector.
    pub dim: usize,
}

impl Calibration {
    /// Whether the vectors are of this space, so that others of it may be compared with them.
    pub fn is_of(&self, space: &Space) -> bool {
        self.of.space == space.space
            && self.of.manifest_hash == space.manifest_hash
            && self.of.dim == space.dim
    }
}

/// Writes the sample of a table, in place of the former one.
///
/// # Errors
/// The store did not answer or refused.
pub async fn write(database: &Database, calibration: &Calibration) -> Result<(), TableError> {
    let table = &calibration.of.table;
    let (store, key) = place(database, table)?;
    let bytes = calibration.encoded().map_err(|problem| TableError::rows(table, problem))?;
    store.put(&key, PutPayload::from(bytes)).await.map_err(failed(table))?;
    Ok(())
}

/// The sample of a table; `None` if there is none, or if it is damaged or too large.
///
/// # Errors
/// The store did not answer or refused.
pub async fn read(database: &Database, table: &str) -> Result<Option<Calibration>, TableError> {
    let (store, key) = place(database, table)?;
    let found = match store.get(&key).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(failed(table)(error)),
    };
    let size = found.meta.size;
    if size > MOST_BYTES as u64 {
        tracing::warn!(table, size, "the sample of the table's vectors is too large to be one");
        return Ok(None);
    }
    let bytes = found.bytes().await.map_err(failed(table))?;
    let calibration = Calibration::decoded(&bytes).filter(|read| read.of.table == table);
    if calibration.is_none() {
        tracing::warn!(table, "the sample of the table's vectors is damaged");
    }
    Ok(calibration)
}

/// Removes the sample of a dropped table. A missing one is no error.
///
/// # Errors
/// The store did not answer or refused.
pub async fn remove(database: &Database, table: &str) -> Result<(), TableError> {
    let (store, key) = place(database, table)?;
    match store.delete(&key).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(failed(table)(error)),
    }
}

/// Takes the sample of a table anew if there is none, or if the table has since halved or doubled.
/// Whether it did. Does nothing for tables without vectors.
///
/// # Errors
/// The store did not answer or refused.
pub(crate) async fn renew(database: &Database, ledger: &Ledger) -> Result<bool, TableError> {
    let pinned = ledger.pinned().await?;
    let Some(space) = pinned.space("").await? else { return Ok(false) };
    let rows = pinned.count_rows().await?;
    if rows == 0 || space.dim == 0 {
        return Ok(false);
    }
    let former = read(database, &pinned.name).await?;
    if former.is_some_and(|former| former.is_of(&space) && still_holds(former.of.rows, rows)) {
        return Ok(false);
    }
    let room = (MOST_BYTES - MOST_HEADER_BYTES - HEADER_BEGINS) / (4 * space.dim);
    let wanted = MOST_VECTORS.min(room);
    let mut vectors = pinned.sample(wanted).await?;
    vectors.truncate(wanted);
    let Space { space, manifest_hash, dim, .. } = space;
    let (table, version) = (pinned.name.clone(), pinned.version().await?);
    let of = CalibrationSource { table, version, rows, space, manifest_hash, dim };
    write(database, &Calibration { of, vectors }).await?;
    Ok(true)
}

fn still_holds(sampled: usize, rows: usize) -> bool {
    rows.saturating_mul(2) >= sampled && rows < sampled.saturating_mul(2)
}

type SamplePlace = (std::sync::Arc<dyn object_store::ObjectStore>, Path);

fn place(database: &Database, table: &str) -> Result<SamplePlace, TableError> {
    let (store, folder) = database.location.store().map_err(failed(table))?;
    Ok((store, folder.join(format!("{table}.calibration"))))
}

fn failed(table: &str) -> impl Fn(object_store::Error) -> TableError + use<> {
    let table = table.to_owned();
    move |source| TableError::Store { table: table.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_holds_until_the_table_has_halved_or_doubled() {
        let holds = |rows| still_holds(1000, rows);
        assert_eq!([499, 500, 1999, 2000].map(holds), [false, true, true, false]);
    }
}
