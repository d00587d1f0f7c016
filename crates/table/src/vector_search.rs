//! The search for the rows whose vectors are nearest to a vector.

use futures::TryStreamExt;
use lancedb::DistanceType;
use lancedb::expr::DfExpr;
use lancedb::query::{ExecutableQuery, QueryBase, Select};

use crate::candidates::{CANDIDATE_COLUMNS, Candidates, read_candidates};
use crate::error::TableError;
use crate::filter::Filter;
use crate::ledger::Ledger;
use crate::schema::VECTOR_COLUMN;
use crate::search_plan::{IndexedRows, SearchPlan};

const DISTANCE: &str = "_distance";

/// A search by a vector of the table's length.
pub(crate) struct VectorSearch<'a> {
    pub(crate) vector: &'a [f32],
    /// The filter from which the plan is chosen.
    pub(crate) filter: &'a Filter,
    /// The condition that rows must meet.
    pub(crate) condition: Option<DfExpr>,
    /// Compare all rows, even if an index would be quicker.
    pub(crate) exact: bool,
    /// Rows to find.
    pub(crate) limit: usize,
}

impl Ledger {
    /// The nearest rows of a snapshot by cosine similarity, and whether all rows were compared.
    pub(crate) async fn nearest(
        &self,
        search: VectorSearch<'_>,
        indexed: &IndexedRows,
    ) -> Result<(Candidates, bool), TableError> {
        let VectorSearch { vector, filter, condition, exact, limit } = search;
        let failed = TableError::of(&self.name);
        let plan = match exact {
            true => SearchPlan::Exact,
            false => SearchPlan::choose(self, self.version().await?, indexed, filter).await?,
        };
        let columns = [CANDIDATE_COLUMNS.as_slice(), &[DISTANCE]].concat();
        let query = self.table.vector_search(vector).map_err(&failed)?;
        let mut query = plan
            .apply(query, limit)
            .map_err(&failed)?
            .column(VECTOR_COLUMN)
            .distance_type(DistanceType::Cosine)
            .limit(limit)
            .select(Select::columns(&columns));
        if let Some(condition) = condition {
            query = query.only_if_expr(condition);
        }
        let rows: Vec<_> =
            query.execute().await.map_err(&failed)?.try_collect().await.map_err(failed)?;
        // Cosine distance is 1 - cosine similarity.
        let best = read_candidates(&rows, DISTANCE, |distance| 1.0 - distance)
            .map_err(|error| self.unusable(error))?;
        Ok((Candidates { is_full: best.len() >= limit, best }, plan.is_exact(limit)))
    }
}
