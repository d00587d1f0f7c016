//! Which fragments a version of a table has.

use crate::error::TableError;
use crate::ledger::Ledger;

/// The fragments of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLayout {
    /// The version.
    pub version: u64,
    /// Its fragments, in no order.
    pub fragments: Vec<FragmentLayout>,
}

/// One fragment as a version sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentLayout {
    /// Its number, which no other fragment of the table ever gets.
    pub id: u64,
    /// Its rows, deleted ones included.
    pub rows: u32,
    /// Names the list of its deleted rows; `None` if none is deleted. Another name is another list.
    pub deletions: Option<(u64, u64)>,
}

impl TableLayout {
    /// Number of rows, deleted ones included.
    pub fn rows(&self) -> u64 {
        self.fragments.iter().map(|fragment| u64::from(fragment.rows)).sum()
    }
}

impl Ledger {
    /// A snapshot of the newest version that the store has, and its fragments. Asks the store once
    /// where nothing has changed.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn newest_layout(&self) -> Result<(Self, TableLayout), TableError> {
        self.refresh().await?;
        let pinned = self.pinned().await?;
        let layout = pinned.layout().await?;
        Ok((pinned, layout))
    }

    /// The fragments of a snapshot. Reads nothing that is not at hand.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn layout(&self) -> Result<TableLayout, TableError> {
        let dataset = self.dataset().await?;
        let mut fragments = Vec::new();
        for fragment in dataset.fragments().iter() {
            let rows = fragment.physical_rows.and_then(|rows| u32::try_from(rows).ok());
            let rows = rows.ok_or_else(|| {
                self.unusable(format!("fragment {} does not say how many rows it has", fragment.id))
            })?;
            let deletions =
                fragment.deletion_file.as_ref().map(|file| (file.read_version, file.id));
            fragments.push(FragmentLayout { id: fragment.id, rows, deletions });
        }
        Ok(TableLayout { version: dataset.version().version, fragments })
    }

    /// The places of the deleted rows of a fragment of a snapshot.
    ///
    /// # Errors
    /// The version has no such fragment, or the store did not answer or refused.
    pub async fn deleted_places(&self, fragment: u64) -> Result<Vec<u32>, TableError> {
        let dataset = self.dataset().await?;
        let number = usize::try_from(fragment).unwrap_or(usize::MAX);
        let found = dataset
            .get_fragment(number)
            .ok_or_else(|| self.unusable(format!("there is no fragment {fragment}")))?;
        let deleted = found.get_deletion_vector().await;
        let deleted = deleted.map_err(|error| TableError::rows(&self.name, error))?;
        Ok(deleted.map(|deleted| deleted.to_sorted_iter().collect()).unwrap_or_default())
    }
}
