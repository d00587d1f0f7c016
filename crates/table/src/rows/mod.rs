//! Reading rows by where they lie: for a process that derives something from all rows, and follows
//! the table from version to version.
//!
//! A version of a table is a list of fragments. A fragment never changes; its rows can only be
//! deleted. So what a version added is in the fragments that the former version lacked. Compaction
//! moves rows to other fragments; they are recognised by their identities.

mod batch;
mod layout;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

pub use self::batch::{Row, RowBatch, RowKind};
pub use self::layout::{FragmentLayout, TableLayout};
use crate::error::TableError;
use crate::ledger::Ledger;

/// The column of addresses, which the table library adds on request.
pub(crate) const ROW_ADDRESS: &str = "_rowaddr";
/// Rows of one batch of a scan: with vectors some megabytes.
const BATCH_ROWS: usize = 4096;

/// Address of a row: the fragment in the upper 32 bits, the place in it in the lower ones.
pub fn address(fragment: u64, place: u32) -> u64 {
    fragment << 32 | u64::from(place)
}

impl Ledger {
    /// The rows of some fragments of a snapshot, in batches. Deleted rows are left out.
    ///
    /// # Errors
    /// A fragment is not one of this version, or the store did not answer or refused.
    pub async fn scan_fragments(
        &self,
        fragments: &[u64],
        kind: RowKind,
    ) -> Result<BoxStream<'static, Result<RowBatch, TableError>>, TableError> {
        let name = self.name.clone();
        let failed = move |error: lance::Error| TableError::rows(&name, error);
        let dataset = self.dataset().await?;
        let wanted = dataset.fragments().iter().filter(|fragment| fragments.contains(&fragment.id));
        let wanted: Vec<_> = wanted.cloned().collect();
        if wanted.is_empty() {
            return Ok(futures::stream::empty().boxed());
        }
        let mut scanner = dataset.scan();
        scanner.with_fragments(wanted);
        scanner.project(kind.columns()).map_err(&failed)?;
        scanner.with_row_address().batch_size(BATCH_ROWS).batch_readahead(2);
        let stream = scanner.try_into_stream().await.map_err(&failed)?;
        let (name, kind) = (self.name.clone(), kind);
        let batches = stream.map_err(failed).and_then(move |batch| {
            let read = RowBatch::of(batch, kind);
            std::future::ready(read.map_err(|error| TableError::rows(&name, error)))
        });
        Ok(batches.boxed())
    }

    /// The rows at some addresses of a snapshot. Deleted ones are left out.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn take_rows(
        &self,
        addresses: &[u64],
        kind: RowKind,
    ) -> Result<RowBatch, TableError> {
        let dataset = self.dataset().await?;
        let columns: Vec<&str> = kind.columns().iter().copied().chain([ROW_ADDRESS]).collect();
        let projection = lance::dataset::ProjectionRequest::from_columns(columns, dataset.schema());
        let taken = dataset.take_rows(addresses, projection).await;
        let batch = taken.map_err(|error| TableError::rows(&self.name, error))?;
        RowBatch::of(batch, kind).map_err(|error| TableError::rows(&self.name, error))
    }
}
