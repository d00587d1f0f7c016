//! How far the indices of a table have fallen behind, and how much of them is rewritten to catch
//! up.

use lance::index::DatasetIndexExt;
use lance_index::optimize::OptimizeOptions;

use crate::error::TableError;
use crate::ledger::Ledger;
use crate::schema::{VECTOR_COLUMN, WORDS_COLUMN};

/// Most rows that an index does not cover, whatever the size of the table, because every search
/// looks at each of them.
const MOST_UNCOVERED: usize = 4096;
/// The same for the index of words. A search cuts the text of these rows into words, which takes
/// longer than comparing vectors.
const MOST_UNCOVERED_WORDS: usize = 512;
/// A segment is merged with the rows after it if it has at most so many times as many. So each
/// segment has more than twice the rows of all after it: there are few (five for a million rows),
/// and a row is rewritten a few times in all, not at every extension.
const MERGED_UP_TO: usize = 2;
/// Segments are searched one by one. From this many on they are merged, even if that is dear.
const MOST_SEGMENTS: usize = 8;

/// How far one index covers a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexCoverage {
    /// Name of the index.
    pub(super) name: String,
    column: String,
    /// Rows of each segment, the oldest first.
    segments: Vec<usize>,
    /// Rows that no segment covers.
    uncovered: usize,
}

impl IndexCoverage {
    /// Whether too many rows are not covered.
    pub(super) fn is_behind(&self) -> bool {
        let most = if self.column == WORDS_COLUMN { MOST_UNCOVERED_WORDS } else { MOST_UNCOVERED };
        self.uncovered > most
    }

    /// How to cover all rows.
    pub(super) fn extension(&self) -> OptimizeOptions {
        let merged = self.merged();
        let options = OptimizeOptions::merge(merged);
        // Partitions that have grown too large are split only where all segments are merged:
        // segments with different partitions could not be merged any more.
        let options = if self.column == VECTOR_COLUMN && merged == self.segments.len() {
            options.with_partition_rebalancing()
        } else {
            options
        };
        options.index_names(vec![self.name.clone()])
    }

    /// How many of the youngest segments are merged with the uncovered rows. None of them: the rows
    /// become a segment of their own.
    fn merged(&self) -> usize {
        let (mut rows, mut merged) = (self.uncovered, 0);
        for segment in self.segments.iter().rev() {
            let is_small = *segment <= rows.saturating_mul(MERGED_UP_TO);
            if !is_small && self.segments.len() - merged < MOST_SEGMENTS {
                break;
            }
            rows += segment;
            merged += 1;
        }
        merged
    }
}

/// How far the indices of a snapshot cover it. Reads the manifest only.
pub(super) async fn coverage(pinned: &Ledger) -> Result<Vec<IndexCoverage>, TableError> {
    let dataset = pinned.dataset().await?;
    let indices = dataset.load_indices().await.map_err(TableError::of_lance(&pinned.name))?;
    let rows: Vec<(u32, usize)> = dataset
        .fragments()
        .iter()
        .map(|fragment| {
            let deleted = fragment.deletion_file.as_ref().and_then(|file| file.num_deleted_rows);
            let rows = fragment.physical_rows.unwrap_or(0);
            (fragment.id as u32, rows.saturating_sub(deleted.unwrap_or(0)))
        })
        .collect();
    let all: usize = rows.iter().map(|(_, rows)| rows).sum();
    let mut coverage: Vec<IndexCoverage> = Vec::new();
    for index in indices.iter() {
        let field = index.fields.first().and_then(|id| dataset.schema().field_by_id(*id));
        // An index of the library's own has no column.
        let (Some(field), Some(fragments)) = (field, &index.fragment_bitmap) else { continue };
        let covered = rows.iter().filter(|(id, _)| fragments.contains(*id));
        let covered = covered.map(|(_, rows)| rows).sum::<usize>();
        match coverage.iter_mut().find(|known| known.name == index.name) {
            Some(known) => {
                known.segments.push(covered);
                known.uncovered = known.uncovered.saturating_sub(covered);
            }
            None => coverage.push(IndexCoverage {
                name: index.name.clone(),
                column: field.name.clone(),
                segments: vec![covered],
                uncovered: all.saturating_sub(covered),
            }),
        }
    }
    Ok(coverage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(column: &str, segments: &[usize], uncovered: usize) -> IndexCoverage {
        let name = format!("{column}_idx");
        IndexCoverage { name, column: column.into(), segments: segments.to_vec(), uncovered }
    }

    #[test]
    fn the_uncovered_rows_are_bounded_by_number_whatever_the_size() {
        assert!(!index(VECTOR_COLUMN, &[1_000_000], 4096).is_behind());
        assert!(index(VECTOR_COLUMN, &[1_000_000], 4097).is_behind());
        assert!(!index(WORDS_COLUMN, &[1_000_000], 512).is_behind());
        assert!(index(WORDS_COLUMN, &[1_000_000], 513).is_behind());
    }

    #[test]
    fn a_large_segment_is_left_alone_and_small_ones_are_merged() {
        let merged = |segments: &[usize], rows| index(VECTOR_COLUMN, segments, rows).merged();
        assert_eq!(merged(&[1_000_000], 5000), 0);
        assert_eq!(merged(&[1_000_000, 5000], 5000), 1);
        assert_eq!(merged(&[1_000_000, 60_000, 15_000, 5000], 5000), 2);
        assert_eq!(merged(&[9000], 5000), 1);
        // An index that was made over an empty table.
        assert_eq!(merged(&[0], 600), 1);
        // So many segments that even a large one must be merged.
        let many = [1 << 30, 1 << 28, 1 << 26, 1 << 24, 1 << 22, 1 << 20, 1 << 18, 1 << 16];
        assert_eq!(merged(&many, 5000), 1);
    }

    #[test]
    fn while_a_table_grows_segments_stay_few_and_rewriting_stays_bounded() {
        for (step, words) in [(4097, false), (513, true)] {
            let column = if words { WORDS_COLUMN } else { VECTOR_COLUMN };
            let (mut grown, mut rewritten, mut most) = (index(column, &[10_000], 0), 0, 0);
            let mut rows = 10_000;
            while rows < 1_000_000 {
                grown.uncovered = step;
                let left = grown.segments.len() - grown.merged();
                let merged: usize = grown.segments.split_off(left).iter().sum();
                grown.segments.push(merged + step);
                rewritten += merged + step;
                rows += step;
                most = most.max(grown.segments.len());
            }
            assert!(most <= MOST_SEGMENTS, "{most} segments");
            assert!(rewritten < rows * 14, "each row {} times", rewritten / rows);
        }
    }
}
