//! Compaction: small fragments are merged. Every commit adds one, and every read opens all of them.

use lancedb::table::{CompactionOptions, OptimizeAction};
use serde::Serialize;

use super::plan::MaintenancePlan;
use crate::error::TableError;
use crate::ledger::Ledger;
use crate::stats::FragmentSize;

/// Fragments are merged up to these fractions of the full size, one after the other: 1/64, 1/8, 1.
/// Merging straight up to the full size would rewrite a nearly full fragment for every few rows.
const STAGES: [usize; 3] = [64, 8, 1];
/// Fewer small fragments than this are not worth a rewrite.
const MERGE_FROM: usize = 8;
/// Most bytes of a full fragment. With thumbnails it would otherwise have some gigabytes.
const FULL_BYTES: u64 = 512 << 20;
/// Least rows of a full fragment, however large the rows are.
const LEAST_FULL_ROWS: usize = 1024;
/// Most bytes read in one pass, which bounds what a lost race can waste. It must exceed one full
/// fragment and its last addition, or every pass would be too large.
const PASS_BYTES: u64 = 8 * FULL_BYTES;
/// Rows and bytes in flight while rewriting. The library's own default is two gigabytes.
const ROWS_IN_FLIGHT: usize = 1024;
const BYTES_IN_FLIGHT: u64 = 128 << 20;
/// A fragment with a greater share of deleted rows is rewritten without them.
const DELETED_SHARE: f32 = 0.1;

/// The result of a compaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Compaction {
    /// Fragments that were merged or rewritten.
    pub merged: usize,
    /// Fragments they became.
    pub into: usize,
}

/// Merges small fragments and drops deleted rows, if there are enough of either.
///
/// # Errors
/// The store did not answer or refused, or lost too many races.
pub async fn compact(ledger: &Ledger, plan: &MaintenancePlan) -> Result<Compaction, TableError> {
    let mut compaction = Compaction::default();
    for stage in STAGES {
        let fragments = ledger.fragment_sizes().await?;
        let target = (full_rows(&fragments, plan.target_rows_per_fragment) / stage).max(1);
        let small = fragments.iter().filter(|fragment| fragment.rows < target).count();
        // Once is enough: deleted rows are dropped from fragments of any size.
        let holed = stage == STAGES[0] && fragments.iter().any(FragmentSize::is_holed);
        if small < MERGE_FROM && !holed {
            continue;
        }
        let stats = ledger
            .change(|table| async move {
                let options = options(target);
                table.optimize(OptimizeAction::Compact { options, remap_options: None }).await
            })
            .await?;
        if let Some(metrics) = stats.compaction {
            compaction.merged += metrics.fragments_removed;
            compaction.into += metrics.fragments_added;
        }
    }
    Ok(compaction)
}

/// Rows of a full fragment, given the size of the present rows.
fn full_rows(fragments: &[FragmentSize], most: usize) -> usize {
    let rows: usize = fragments.iter().map(|fragment| fragment.rows).sum();
    let bytes: u64 = fragments.iter().map(|fragment| fragment.bytes).sum();
    let bytes_per_row = (bytes / rows.max(1) as u64).max(1);
    let fitting = usize::try_from(FULL_BYTES / bytes_per_row).unwrap_or(usize::MAX);
    fitting.max(LEAST_FULL_ROWS).min(most)
}

fn options(target_rows_per_fragment: usize) -> CompactionOptions {
    CompactionOptions {
        target_rows_per_fragment,
        materialize_deletions: true,
        materialize_deletions_threshold: DELETED_SHARE,
        num_threads: Some(1),
        batch_size: Some(ROWS_IN_FLIGHT),
        io_buffer_size: Some(BYTES_IN_FLIGHT),
        max_source_bytes: Some(PASS_BYTES),
        // Indices must always point at existing rows. The deferred way has open defects.
        defer_index_remap: false,
        ..CompactionOptions::default()
    }
}

impl FragmentSize {
    fn is_holed(&self) -> bool {
        self.deleted as f32 > self.rows as f32 * DELETED_SHARE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_rows_make_fragments_of_fewer_rows() {
        let fragment = |rows, bytes_per_row: u64| FragmentSize {
            rows,
            deleted: 0,
            bytes: rows as u64 * bytes_per_row,
        };
        assert_eq!(full_rows(&[], 131_072), 131_072);
        assert_eq!(full_rows(&[fragment(1000, 600)], 131_072), 131_072);
        assert_eq!(full_rows(&[fragment(1000, 16 << 10)], 131_072), 32_768);
        assert_eq!(full_rows(&[fragment(10, 1 << 30)], 131_072), LEAST_FULL_ROWS);
    }
}
