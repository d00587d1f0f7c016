//! The searches in captions: by their vectors and by their words.

use std::collections::{HashMap, HashSet};

use arrow::array::StringArray;
use futures::TryStreamExt;
use lance_index::scalar::inverted::query::{FtsQuery, MatchQuery, Operator};
use lancedb::datafusion::functions_nested::expr_fn::{array_empty, array_has};
use lancedb::expr::{DfExpr, col, lit};
use lancedb::index::scalar::FullTextSearchQuery;
use lancedb::query::{ExecutableQuery, QueryBase, Select};

use crate::candidates::{CANDIDATE_COLUMNS, Candidates, once, read_candidates};
use crate::captions::Captions;
use crate::error::TableError;
use crate::expression::{MOST_VALUES, no_row, one_of};
use crate::filter::{Condition, Filter, MissingFact, conditions};
use crate::keyword::normalised;
use crate::schema::{KEYWORDS_COLUMN, WORDS_COLUMN, column};
use crate::vector_search::VectorSearch;

const SCORE: &str = "_score";

impl Captions {
    /// The object versions of a snapshot whose captions are nearest to a vector of
    /// [`space`](Self::space). The score is the cosine similarity.
    ///
    /// # Errors
    /// A vector of another length, or the store did not answer or refused.
    pub async fn candidates(
        &self,
        vector: &[f32],
        filter: &Filter,
        exact: bool,
        limit: usize,
    ) -> Result<Candidates, TableError> {
        self.space.check_length(vector).map_err(|problem| self.unusable(problem))?;
        let condition = condition(filter);
        let search = VectorSearch { vector, filter, condition, exact, limit };
        let (candidates, _) = self.ledger.nearest(search, &self.indexed).await?;
        self.current(candidates).await
    }

    /// The object versions of a snapshot whose words contain some of these, or all of them
    /// (`all`). The score is BM25.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn matching(
        &self,
        text: &str,
        filter: &Filter,
        limit: usize,
        all: bool,
    ) -> Result<Candidates, TableError> {
        let failed = TableError::of(&self.ledger.name);
        let columns = [CANDIDATE_COLUMNS.as_slice(), &[SCORE]].concat();
        let operator = if all { Operator::And } else { Operator::Or };
        let words = MatchQuery::new(text.to_owned())
            .with_column(Some(WORDS_COLUMN.to_owned()))
            .with_operator(operator);
        let words = FullTextSearchQuery::new_query(FtsQuery::Match(words));
        let mut query = self
            .ledger
            .table
            .query()
            .full_text_search(words)
            .limit(limit)
            .select(Select::columns(&columns));
        if let Some(condition) = condition(filter) {
            query = query.only_if_expr(condition);
        }
        let rows: Vec<_> =
            query.execute().await.map_err(&failed)?.try_collect().await.map_err(failed)?;
        let best =
            read_candidates(&rows, SCORE, |score| score).map_err(|error| self.unusable(error))?;
        self.current(Candidates { is_full: best.len() >= limit, best }).await
    }

    /// Leaves out superseded captions, which stay in the table until maintenance.
    async fn current(
        &self,
        Candidates { mut best, is_full }: Candidates,
    ) -> Result<Candidates, TableError> {
        let ids: HashSet<_> = best.iter().map(|candidate| candidate.image_id.clone()).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let mut latest = HashMap::new();
        for some in ids.chunks(MOST_VALUES) {
            latest.extend(self.latest(one_of("image_id", some)).await?);
        }
        best.retain(|candidate| {
            latest.get(&candidate.image_id).is_none_or(|at| *at <= candidate.written_at)
        });
        Ok(Candidates { best: once(best), is_full })
    }

    /// Ids of the object versions that meet the filter, its keywords included; `None` if there are
    /// more than `most`.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn ids(
        &self,
        filter: &Filter,
        most: usize,
    ) -> Result<Option<Vec<String>>, TableError> {
        let failed = TableError::of(&self.ledger.name);
        let mut query =
            self.ledger.table.query().select(Select::columns(&["image_id"])).limit(most + 1);
        if let Some(condition) = condition(filter) {
            query = query.only_if_expr(condition);
        }
        let batches: Vec<_> =
            query.execute().await.map_err(&failed)?.try_collect().await.map_err(failed)?;
        let mut ids = Vec::new();
        for batch in &batches {
            let found: &StringArray =
                column(batch, "image_id").map_err(|error| self.unusable(error))?;
            ids.extend(found.iter().flatten().map(str::to_owned));
        }
        Ok((ids.len() <= most).then_some(ids))
    }
}

/// A whole filter: what only captions know, too.
fn condition(filter: &Filter) -> Option<DfExpr> {
    let keywords = conditions(&filter.keywords, |keyword| {
        let has = array_has(col(KEYWORDS_COLUMN), lit(normalised(keyword)));
        Condition { holds: Some(has.clone()), fails: has.is_not_true() }
    });
    let missing = filter.missing.iter().filter_map(|fact| match fact {
        // Every row of this table is a caption.
        MissingFact::Caption => Some(no_row()),
        MissingFact::Keywords => Some(array_empty(col(KEYWORDS_COLUMN))),
        MissingFact::TakenAt | MissingFact::Place => None,
    });
    filter.expression().into_iter().chain(keywords).chain(missing).reduce(DfExpr::and)
}
