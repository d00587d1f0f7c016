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

    /// A snapshot of the newest version.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub(crate) async fn pinned(&self) -> Result<Self, TableError> {
        let table = self.table.checkout_current().await.map_err(TableError::of(&self.name))?;
        Ok(Self { table, name: self.name.clone() })
    }

    /// A snapshot of a former version; `None` if that version is gone, because it was pruned or the
    /// table was created anew.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn at(&self, database: &Database, version: u64) -> Result<Option<Self>, TableError> {
        // A snapshot, because this handle itself follows newer versions.
        let newest = self.pinned().await?;
        if newest.version().await? == version {
            return Ok(Some(newest));
        }
        // A handle of its own: a checkout moves all clones of a handle.
        let Some(former) = Self::open(database, &self.name).await? else { return Ok(None) };
        match former.table.checkout(version).await {
            Ok(()) => Ok(Some(former)),
            Err(error) if former.has_version(version).await.is_ok_and(|has| has) => {
                Err(TableError::of(&self.name)(error))
            }
            Err(_) => Ok(None),
        }
    }

    async fn has_version(&self, version: u64) -> Result<bool, TableError> {
        let versions = self.table.list_versions().await.map_err(TableError::of(&self.name))?;
        Ok(versions.iter().any(|known| known.version == version))
    }
}
