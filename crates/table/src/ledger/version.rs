//! Snapshots: a table held at one of its versions. Everything read through such a handle comes from
//! that version, whatever is committed meanwhile.

use crate::error::TableError;
use crate::ledger::Ledger;
use crate::location::Database;

impl Ledger {
    /// The version of a snapshot, or else the newest version this handle knows.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn version(&self) -> Result<u64, TableError> {
        self.table.version().await.map_err(TableError::of(&self.name))
    }

    /// Lets this handle and its clones see the newest version that the store has.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub(crate) async fn refresh(&self) -> Result<(), TableError> {
        self.table.checkout_latest().await.map_err(TableError::of(&self.name))
    }

    /// A snapshot of the newest version.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub(crate) async fn pinned(&self) -> Result<Self, TableError> {
        let table = self.table.checkout_current().await.map_err(TableError::of(&self.name))?;
        let version = table.version().await.map_err(TableError::of(&self.name))?;
        Ok(self.at_version(table, version))
    }

    /// A snapshot of a former version; `None` if that version is gone, because it was pruned or the
    /// table was made anew. Finding that out takes a few requests, however many versions there are.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn at(&self, database: &Database, version: u64) -> Result<Option<Self>, TableError> {
        // A snapshot, because this handle itself follows newer versions.
        let newest = self.pinned().await?;
        let dataset = newest.dataset().await?;
        if dataset.manifest().version == version {
            return Ok(self.is_of_this_table(&dataset).then_some(newest));
        }
        // A handle of its own: a checkout moves all clones of a handle.
        let Some(former) = Self::open(database, &self.name).await? else { return Ok(None) };
        if !self.is_of_this_table(&former.opened) {
            return Ok(None);
        }
        match former.table.checkout(version).await.map_err(TableError::of(&self.name)) {
            Ok(()) => Ok(Some(self.at_version(former.table, version))),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
