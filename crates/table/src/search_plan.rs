//! How a vector search is answered: through the vector index, or by comparing every row (flat
//! search). The index is quick and misses a little. A flat search misses nothing, and its time
//! grows with the rows. So a filter that keeps few rows gets a flat search, and so does a search
//! that asks for a large part of the table.

use std::sync::{Mutex, PoisonError};

use futures::TryStreamExt;
use lance::index::{DatasetIndexExt, DatasetIndexInternalExt};
use lance_index::metrics::NoOpMetricsCollector;
use lancedb::query::{ExecutableQuery, QueryBase, Select, VectorQuery};

use crate::error::TableError;
use crate::filter::Filter;
use crate::ledger::Ledger;
use crate::schema::VECTOR_COLUMN;

/// A filter that keeps at most this many rows gets a flat search. Through the index, the search
/// would find few of them in each partition and miss most.
const FEW_ROWS: usize = 10_000;
/// One partition in this many is looked at, within the bounds below.
const PARTITIONS_PER_PROBE: usize = 8;
const LEAST_PROBES: usize = 16;
const MOST_PROBES: usize = 256;
/// With a filter, the nearest matching rows are spread over more partitions: so many times as many
/// are looked at.
const PROBES_WITH_FILTER: usize = 4;
/// Candidates per wanted row whose exact vectors are compared (the refine factor), and the least
/// number of candidates. Each one is a request, if the store is cold. Codes of five bits order
/// vectors so well that the wanted ones are among few more.
const COMPARED_PER_ROW: usize = 2;
const LEAST_COMPARED: usize = 128;
/// If one row in this many would be compared exactly anyway, all are.
const COMPARED_SHARE: usize = 4;

/// How one search is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SearchPlan {
    /// Every row that the filter keeps is compared.
    Exact,
    /// The index names candidates, whose exact vectors are compared. All rows that the index does
    /// not cover are compared too.
    Indexed {
        /// Rows of the table.
        rows: usize,
        /// Least partitions to look at.
        probes: usize,
    },
}

/// The index of one version's vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IndexedVectors {
    /// Rows of the table.
    rows: usize,
    /// Partitions of the segment that has most. They grow up to four times their first size before
    /// the table library splits them, so their number does not follow from the rows.
    partitions: usize,
}

/// The index of the last version that was asked for, if its vectors have one.
#[derive(Debug, Default)]
pub(crate) struct IndexedRows {
    last: Mutex<Option<(u64, Option<IndexedVectors>)>>,
}

impl IndexedRows {
    /// The index of this version of the table; `None` if its vectors have none.
    async fn of(
        &self,
        pinned: &Ledger,
        version: u64,
    ) -> Result<Option<IndexedVectors>, TableError> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, indexed)) = last.filter(|(known, _)| *known == version) {
            return Ok(indexed);
        }
        let indexed = match partitions(pinned).await? {
            Some(partitions) => {
                Some(IndexedVectors { rows: pinned.count_rows().await?, partitions })
            }
            None => None,
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, indexed));
        Ok(indexed)
    }
}

/// The number of partitions of the vector index; `None` without one. Opens the segments, which a
/// search does anyway.
async fn partitions(pinned: &Ledger) -> Result<Option<usize>, TableError> {
    let failed = TableError::of_lance(&pinned.name);
    let dataset = pinned.dataset().await?;
    let Some(field) = dataset.schema().field(VECTOR_COLUMN) else { return Ok(None) };
    let indices = dataset.load_indices().await.map_err(&failed)?;
    let mut most = None;
    for segment in indices.iter().filter(|index| index.fields == [field.id]) {
        let opening =
            dataset.open_vector_index(VECTOR_COLUMN, &segment.uuid, &NoOpMetricsCollector);
        let index = opening.await.map_err(&failed)?;
        most = most.max(Some(index.ivf_model().num_partitions()));
    }
    Ok(most)
}

impl SearchPlan {
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
        let Some(IndexedVectors { rows, partitions }) = indexed.of(pinned, version).await? else {
            return Ok(Self::Exact);
        };
        let filtered = filter.expression().is_some();
        if filtered && (rows <= FEW_ROWS || keeps_few(pinned, filter).await?) {
            return Ok(Self::Exact);
        }
        Ok(Self::Indexed { rows, probes: probes(partitions, filtered) })
    }

    /// Whether a search for `limit` rows compares all rows that the filter keeps.
    pub(crate) fn is_exact(self, limit: usize) -> bool {
        match self {
            Self::Exact => true,
            Self::Indexed { rows, .. } => compared(limit) >= rows / COMPARED_SHARE,
        }
    }

    /// Tells the table library how to find `limit` rows. Scores are exact cosines either way.
    ///
    /// # Errors
    /// The library refused the number of probes.
    pub(crate) fn apply(self, query: VectorQuery, limit: usize) -> lancedb::Result<VectorQuery> {
        match self {
            Self::Indexed { probes, .. } if !self.is_exact(limit) => {
                let factor = u32::try_from(refine_factor(limit)).unwrap_or(u32::MAX);
                // No upper bound: the library looks at more partitions while it finds too few rows.
                Ok(query.minimum_nprobes(probes)?.refine_factor(factor))
            }
            _ => Ok(query.bypass_vector_index()),
        }
    }
}

async fn keeps_few(pinned: &Ledger, filter: &Filter) -> Result<bool, TableError> {
    let failed = TableError::of(&pinned.name);
    let Some(condition) = filter.expression() else { return Ok(false) };
    // The smallest column, because the rows are only counted.
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

fn probes(partitions: usize, filtered: bool) -> usize {
    let probes = (partitions / PARTITIONS_PER_PROBE).clamp(LEAST_PROBES, MOST_PROBES);
    if filtered { probes * PROBES_WITH_FILTER } else { probes }
}

/// How many candidates per wanted row are compared exactly to find `limit` rows.
fn refine_factor(limit: usize) -> usize {
    LEAST_COMPARED.div_ceil(limit.max(1)).max(COMPARED_PER_ROW)
}

/// How many candidates are compared exactly to find `limit` rows through the index.
fn compared(limit: usize) -> usize {
    limit.max(1).saturating_mul(refine_factor(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_grow_with_the_partitions_within_bounds() {
        assert_eq!(probes(2, false), LEAST_PROBES);
        // A table of a million rows, just trained, and after it has grown from few rows.
        assert_eq!(probes(245, false), 30);
        assert_eq!(probes(245, true), 120);
        assert_eq!(probes(61, false), LEAST_PROBES);
        assert_eq!(probes(1_000_000, false), MOST_PROBES);
    }

    #[test]
    fn few_more_vectors_than_wanted_are_compared() {
        assert_eq!([0, 1, 10, 32, 64].map(compared), [128, 128, 130, 128, 128]);
        assert_eq!([128, 512].map(compared), [256, 1024]);
        assert_eq!(compared(usize::MAX), usize::MAX);
    }
}
