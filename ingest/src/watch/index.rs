//! The tables together: the only record of which object versions are indexed.

use std::collections::HashMap;
use std::sync::Arc;

use pipeline::ImageId;
use table::ledger::StoredVersion;
use table::{Database, TableError};

use super::watched_table::WatchedTable;

/// `images` and the tables of all watched stages; clones share the handles.
#[derive(Clone)]
pub(crate) struct Index {
    database: Database,
    images: WatchedTable,
    of_stages: Arc<[WatchedTable]>,
}

impl Index {
    pub(crate) fn new(database: Database, of_stages: Vec<WatchedTable>) -> Self {
        let images = WatchedTable::images(&database);
        Self { database, images, of_stages: of_stages.into() }
    }

    /// The database that holds the tables.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// The table `images`.
    pub(crate) fn images(&self) -> &WatchedTable {
        &self.images
    }

    /// All tables, `images` first.
    pub(crate) fn tables(&self) -> impl DoubleEndedIterator<Item = &WatchedTable> {
        std::iter::once(&self.images).chain(self.of_stages.iter())
    }

    /// All stored versions of one object, in any table.
    pub(crate) async fn versions_of(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<Vec<ImageId>, TableError> {
        let mut ids = Vec::new();
        for table in self.tables() {
            ids.extend(table.versions_of(bucket, key).await?);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Bucket and key of each of these object versions, from any table that has a row of it.
    pub(crate) async fn locate(
        &self,
        ids: &[ImageId],
    ) -> Result<HashMap<ImageId, StoredVersion>, TableError> {
        let mut located = HashMap::new();
        for table in self.tables() {
            let rows = table.locate(ids).await?.into_iter();
            located.extend(rows.filter_map(|row| Some((row.image_id.parse().ok()?, row))));
        }
        Ok(located)
    }

    /// Removes all rows of these object versions.
    pub(crate) async fn remove(&self, ids: &[ImageId]) -> Result<(), TableError> {
        if ids.is_empty() {
            return Ok(());
        }
        // `images` goes last. A row that is left there alone is never found by a search.
        for table in self.tables().rev() {
            table.remove(ids).await?;
        }
        Ok(())
    }
}
