//! Searching what was said: by its vectors and by its words.

use std::collections::{HashMap, HashSet};

use futures::TryStreamExt;
use lancedb::datafusion::functions_nested::expr_fn::array_has;
use lancedb::expr::{DfExpr, col, lit};
use lancedb::index::scalar::FullTextSearchQuery;
use lancedb::query::{ExecutableQuery, QueryBase, Select};

use crate::candidates::{Asked, CANDIDATE_COLUMNS, Candidates, once, read};
use crate::captions::Captions;
use crate::captions::rows::WORDS;
use crate::error::TableError;
use crate::filter::{Filter, one_of};
use crate::ledger::PER_QUERY;
use crate::location::Database;

impl Captions {
    /// The same table, held at its newest version.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn pinned(&self) -> Result<Self, TableError> {
        Ok(Self { ledger: self.ledger.pinned().await?, ..self.clone() })
    }

    /// The same table at a former version; `None` where that is gone.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn at(&self, database: &Database, version: u64) -> Result<Option<Self>, TableError> {
        Ok(self.ledger.at(database, version).await?.map(|ledger| Self { ledger, ..self.clone() }))
    }

    /// The object versions whose captions are nearest to a vector of [`space`](Self::space); the
    /// score is the cosine similarity. For a table that is held at a version.
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
        if vector.len() != self.space.dim {
            let (got, dim) = (vector.len(), self.space.dim);
            return Err(
                self.unusable(format!("the query vector has {got} values, {dim} are expected"))
            );
        }
        let asked = Asked { vector, filter, condition: condition(filter), exact, limit };
        self.current(self.ledger.candidates(asked, &self.indexed).await?.0).await
    }

    /// The object versions in whose words some of these occur; the score is BM25. For a table that
    /// is held at a version.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn matching(
        &self,
        text: &str,
        filter: &Filter,
        limit: usize,
    ) -> Result<Candidates, TableError> {
        let failed = TableError::of(&self.ledger.name);
        let mut columns = CANDIDATE_COLUMNS.to_vec();
        columns.push("_score");
        let asked = FullTextSearchQuery::new(text.to_owned()).with_column(WORDS.to_owned());
        let asked = asked.map_err(|error| self.unusable(error))?;
        let mut search = self
            .ledger
            .table
            .query()
            .full_text_search(asked)
            .limit(limit)
            .select(Select::columns(&columns));
        if let Some(condition) = condition(filter) {
            search = search.only_if_expr(condition);
        }
        let rows: Vec<_> =
            search.execute().await.map_err(&failed)?.try_collect().await.map_err(failed)?;
        let best = read(&rows, "_score", |score| score).map_err(|error| self.unusable(error))?;
        self.current(Candidates { is_full: best.len() >= limit, best }).await
    }

    /// Leaves out rows that a later caption of the same object version has taken the place of: they
    /// stay until maintenance.
    async fn current(
        &self,
        Candidates { mut best, is_full }: Candidates,
    ) -> Result<Candidates, TableError> {
        let ids: HashSet<_> = best.iter().map(|candidate| candidate.image_id.clone()).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let mut latest = HashMap::new();
        for some in ids.chunks(PER_QUERY) {
            latest.extend(self.latest(one_of("image_id", some.iter().cloned())).await?);
        }
        best.retain(|candidate| {
            latest.get(&candidate.image_id).is_none_or(|at| *at <= candidate.written_at)
        });
        Ok(Candidates { best: once(best), is_full })
    }

    /// Identities of the object versions that the filter keeps, its keywords included; `None` where
    /// there are more than `most`.
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
            let column: &arrow::array::StringArray =
                crate::schema::column(batch, "image_id").map_err(|error| self.unusable(error))?;
            ids.extend(column.iter().flatten().map(str::to_owned));
        }
        Ok((ids.len() <= most).then_some(ids))
    }
}

/// All of a filter: every keyword must be there.
fn condition(filter: &Filter) -> Option<DfExpr> {
    let keywords = filter
        .keywords
        .iter()
        .map(|keyword| array_has(col("keywords"), lit(keyword.trim().to_lowercase())));
    filter.expression().into_iter().chain(keywords).reduce(DfExpr::and)
}
