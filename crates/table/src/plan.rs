//! How a search is answered: by comparing every row, or through the vector index. The index is
//! quick and misses a little; comparing every row misses nothing and takes time by the row. So what
//! keeps few rows is compared row by row, and so is what asks for a large part of the table.

use std::sync::{Mutex, PoisonError};

use futures::TryStreamExt;
use lancedb::query::{ExecutableQuery, QueryBase, Select, VectorQuery as Search};

use crate::error::TableError;
use crate::filter::Filter;
use crate::ledger::Ledger;

/// A filter that keeps no more rows than this is answered exactly. Through the index it would find
/// few rows in each partition, and miss most.
const FEW_ROWS: usize = 10_000;
/// Rows of one partition, as the table library chooses them.
const PARTITION_ROWS: usize = 4096;
/// Of so many partitions one is looked at, within these bounds.
const PARTITIONS_PER_PROBE: usize = 8;
const LEAST_PROBES: usize = 16;
const MOST_PROBES: usize = 256;
/// With a filter the nearest matching rows are spread over more partitions.
const PROBES_WITH_FILTER: usize = 4;
/// Candidates per wanted row whose exact vectors are compared, and how many are compared however
/// few are wanted.
const COMPARED_PER_ROW: usize = 4;
const LEAST_COMPARED: usize = 256;
/// Where one row in so many would be compared exactly anyway, all are.
const COMPARED_SHARE: usize = 4;

/// How one search is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Every row that the filter keeps is compared.
    Exact,
    /// The index names candidates, whose exact vectors are compared. Rows that the index does not
    /// cover are compared all.
    Indexed {
        /// Rows of the table.
        rows: usize,
        /// Least partitions to look at.
        probes: usize,
    },
}

/// Number of rows of the last version looked at, if its vectors are indexed.
#[derive(Debug, Default)]
pub(crate) struct IndexedRows {
    last: Mutex<Option<(u64, Option<usize>)>>,
}

impl IndexedRows {
    /// The number of rows of this version of the table; `None` where its vectors have no index.
    async fn of(&self, pinned: &Ledger, version: u64) -> Result<Option<usize>, TableError> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, rows)) = last.filter(|(known, _)| *known == version) {
            return Ok(rows);
        }
        let indices = pinned.table.list_indices().await.map_err(TableError::of(&pinned.name))?;
        let indexed = indices.iter().any(|index| index.columns == ["vector"]);
        let rows = if indexed { Some(pinned.count_rows().await?) } else { None };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, rows));
        Ok(rows)
    }
}

impl Plan {
    /// Chooses for one version of the table.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub(crate) async fn choose(
        pinned: &Ledger,
        version: u64,
        indexed: &IndexedRows,
        filter: &Filter,
    ) -> Result<Self, TableError> {
        let Some(rows) = indexed.of(pinned, version).await? else { return Ok(Self::Exact) };
        let filtered = filter.expression().is_some();
        if filtered && (rows <= FEW_ROWS || keeps_few(pinned, filter).await?) {
            return Ok(Self::Exact);
        }
        Ok(Self::Indexed { rows, probes: probes(rows, filtered) })
    }

    /// Whether finding `limit` rows compares all rows that the filter keeps.
    pub(crate) fn is_exact(self, limit: usize) -> bool {
        match self {
            Self::Exact => true,
            Self::Indexed { rows, .. } => candidates(limit) >= rows / COMPARED_SHARE,
        }
    }

    /// Tells the table library how to find `limit` rows. Scores are exact cosines either way.
    ///
    /// # Errors
    /// The library refused the number of probes.
    pub(crate) fn apply(self, search: Search, limit: usize) -> lancedb::Result<Search> {
        match self {
            Self::Indexed { probes, .. } if !self.is_exact(limit) => {
                let factor =
                    u32::try_from(candidates(limit).div_ceil(limit.max(1))).unwrap_or(u32::MAX);
                // No upper bound: while too few rows are found, the library looks at more
                // partitions.
                Ok(search.minimum_nprobes(probes)?.refine_factor(factor))
            }
            _ => Ok(search.bypass_vector_index()),
        }
    }
}

async fn keeps_few(pinned: &Ledger, filter: &Filter) -> Result<bool, TableError> {
    let failed = TableError::of(&pinned.name);
    let Some(condition) = filter.expression() else { return Ok(false) };
    // The smallest column; the rows are only counted.
    let query = pinned
        .table
        .query()
        .only_if_expr(condition)
        .select(Select::columns(&["orientation"]))
        .limit(FEW_ROWS + 1);
    let batches = query.execute().await.map_err(&failed)?;
    let kept = batches
        .try_fold(0, |kept, batch| std::future::ready(Ok(kept + batch.num_rows())))
        .await
        .map_err(failed)?;
    Ok(kept <= FEW_ROWS)
}

fn probes(rows: usize, filtered: bool) -> usize {
    let probes = (rows / PARTITION_ROWS / PARTITIONS_PER_PROBE).clamp(LEAST_PROBES, MOST_PROBES);
    if filtered { probes * PROBES_WITH_FILTER } else { probes }
}

fn candidates(limit: usize) -> usize {
    limit.saturating_mul(COMPARED_PER_ROW).max(LEAST_COMPARED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_grow_with_the_table_within_bounds() {
        assert_eq!(probes(10_000, false), LEAST_PROBES);
        assert_eq!(probes(1_000_000, false), 30);
        assert_eq!(probes(1_000_000, true), 120);
        assert_eq!(probes(1_000_000_000, false), MOST_PROBES);
    }
}
