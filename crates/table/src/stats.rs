//! Statistics of a table, for operators and for maintenance to decide what is worth doing.

use lancedb::index::IndexConfig;
use serde::Serialize;

use crate::error::TableError;
use crate::ledger::Ledger;

/// A fragment with fewer rows counts as small. Each small fragment slows every read a little until
/// it is merged.
const SMALL_ROWS: usize = 2048;

/// The state of one version of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableStats {
    /// Name of the table.
    pub table: String,
    /// The version this is about.
    pub version: u64,
    /// Rows, spare rows included.
    pub rows: usize,
    /// Rows that are deleted but still in their files.
    pub deleted_rows: usize,
    /// Fragments; every commit of rows adds one.
    pub fragments: usize,
    /// Fragments of fewer than 2,048 rows.
    pub small_fragments: usize,
    /// Size of this version's data files.
    pub bytes: u64,
    /// Indices, and how far they have fallen behind.
    pub indices: Vec<IndexStats>,
}

/// The state of one index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndexStats {
    /// Name.
    pub name: String,
    /// Indexed columns.
    pub columns: Vec<String>,
    /// Kind, as the table library names it.
    pub kind: String,
    /// Rows it does not cover. They are found by looking at each of them.
    pub unindexed_rows: u64,
    /// Segments, which are searched one by one.
    pub segments: u32,
}

/// The size of one fragment; `rows` includes the deleted ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FragmentSize {
    pub(crate) rows: usize,
    pub(crate) deleted: usize,
    pub(crate) bytes: u64,
}

impl Ledger {
    /// Statistics of the newest version. Reads its manifest, no rows.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn stats(&self) -> Result<TableStats, TableError> {
        let pinned = self.pinned().await?;
        let fragments = pinned.fragment_sizes().await?;
        let indices = pinned.table.list_indices().await.map_err(TableError::of(&self.name))?;
        Ok(TableStats {
            table: self.name.clone(),
            version: pinned.version().await?,
            rows: pinned.count_rows().await?,
            deleted_rows: fragments.iter().map(|fragment| fragment.deleted).sum(),
            fragments: fragments.len(),
            small_fragments: fragments.iter().filter(|fragment| fragment.rows < SMALL_ROWS).count(),
            bytes: fragments.iter().map(|fragment| fragment.bytes).sum(),
            indices: indices.into_iter().map(IndexStats::of).collect(),
        })
    }

    pub(crate) async fn fragment_sizes(&self) -> Result<Vec<FragmentSize>, TableError> {
        let dataset = self.dataset().await?;
        let sizes = dataset.fragments().iter().map(|fragment| FragmentSize {
            rows: fragment.physical_rows.unwrap_or(0),
            deleted: fragment
                .deletion_file
                .as_ref()
                .and_then(|file| file.num_deleted_rows)
                .unwrap_or(0),
            bytes: fragment
                .files
                .iter()
                .filter_map(|file| file.file_size_bytes.get())
                .map(u64::from)
                .sum(),
        });
        Ok(sizes.collect())
    }
}

impl IndexStats {
    fn of(index: IndexConfig) -> Self {
        Self {
            kind: index.index_type.to_string(),
            unindexed_rows: index.num_unindexed_rows.unwrap_or(0),
            segments: index.num_segments.unwrap_or(1),
            name: index.name,
            columns: index.columns,
        }
    }
}
