//! `embeddings_<model>`: one row per object version and view, and the search over their vectors.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, FixedSizeListArray, Float32Array};
use lancedb::expr::DfExpr;

use crate::candidates::first_limit;
use crate::duplicates::{self, Duplicates};
use crate::error::TableError;
use crate::filter::{Filter, one_of};
use crate::ledger::Ledger;
use crate::location::Database;
use crate::newest::{self, NewestVersions};
use crate::plan::{IndexedRows, Plan};
use crate::schema::{self, EmbeddingRow, FACTS_COLUMNS, Facts, Space, column};

/// What to look for.
#[derive(Debug, Clone)]
pub struct VectorQuery {
    /// Unit vector of the table's dimension.
    pub vector: Vec<f32>,
    /// Hits to skip.
    pub offset: usize,
    /// Hits to return.
    pub top_k: usize,
    /// Least cosine similarity of a hit.
    pub min_score: Option<f32>,
    /// Rows to look at.
    pub filter: Filter,
    /// Whether objects with the same bytes are one hit. `offset` and `top_k` count what is left
    /// then.
    pub collapse: bool,
    /// Compare all rows, even where an index would be quicker.
    pub exact: bool,
}

/// One found object.
#[derive(Debug, Clone)]
pub struct Hit {
    /// What is known about it.
    pub facts: Facts,
    /// Cosine similarity to the query, from -1 to 1.
    pub score: f32,
    /// Other objects with the same bytes, if the query asked to collapse them.
    pub duplicates: Option<Duplicates>,
}

impl AsRef<Facts> for Hit {
    fn as_ref(&self) -> &Facts {
        &self.facts
    }
}

/// Hits in order of falling score, and what they came from.
#[derive(Debug, Clone)]
pub struct Found {
    /// At most `top_k`, each object once.
    pub hits: Vec<Hit>,
    /// Version of the table that answered.
    pub table_version: u64,
    /// Whether all rows were compared. Otherwise an index chose which, and may have missed some.
    pub exact: bool,
}

/// The `embeddings_<model>` table.
#[derive(Debug, Clone)]
pub struct Embeddings {
    pub(crate) ledger: Ledger,
    pub(crate) space: Space,
    pub(crate) newest: Arc<NewestVersions>,
    pub(crate) indexed: Arc<IndexedRows>,
}

/// Name of the table of a model.
pub fn name(model: &str) -> String {
    format!("embeddings_{model}")
}

/// Id of the model whose table has this name; `None` for a table of another kind.
pub fn model_of(table: &str) -> Option<&str> {
    table.strip_prefix("embeddings_").filter(|model| !model.is_empty())
}

impl Embeddings {
    /// Opens the table of a model, creating it where it is missing. For processes that append.
    ///
    /// # Errors
    /// The store refused, or the table has other columns or another dimension.
    pub async fn open_or_create(database: &Database, space: Space) -> Result<Self, TableError> {
        let schema = space.noted_in(schema::embeddings_schema(space.dim));
        let ledger = Ledger::open_or_create(database, &name(&space.model), schema).await?;
        Self::of_the_same_space(ledger, space).await
    }

    /// Opens the table of a model; `None` where it does not exist yet.
    ///
    /// # Errors
    /// The store did not answer or refused, or the table holds vectors of another space.
    pub async fn open(database: &Database, space: Space) -> Result<Option<Self>, TableError> {
        let Some(ledger) = Ledger::open(database, &name(&space.model)).await? else {
            return Ok(None);
        };
        ledger.has_columns(&schema::embeddings_schema(space.dim)).await?;
        Self::of_the_same_space(ledger, space).await.map(Some)
    }

    /// Opens the table of a model as whatever it holds, for who has no model at hand and only
    /// compares vectors of this table with each other; `None` where it does not exist yet or never
    /// held a row.
    ///
    /// # Errors
    /// The store did not answer or refused, or the table has other columns.
    pub async fn open_stored(database: &Database, model: &str) -> Result<Option<Self>, TableError> {
        let Some(ledger) = Ledger::open(database, &name(model)).await? else { return Ok(None) };
        let Some(space) = ledger.space(model).await? else { return Ok(None) };
        ledger.has_columns(&schema::embeddings_schema(space.dim)).await?;
        Self::of_the_same_space(ledger, space).await.map(Some)
    }

    /// Vectors of different spaces must never be compared, so a table that holds another space's is
    /// refused.
    async fn of_the_same_space(ledger: Ledger, space: Space) -> Result<Self, TableError> {
        ledger.holds_only(&space).await?;
        Ok(Self { ledger, space, newest: Arc::default(), indexed: Arc::default() })
    }

    /// What its vectors are.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The table as a record of object versions.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Appends rows in one commit.
    ///
    /// # Errors
    /// A vector of another length or with a value that is not finite, or the store refused.
    pub async fn append(&self, rows: &[EmbeddingRow], batch_id: &str) -> Result<(), TableError> {
        let batch = schema::embeddings_batch(rows, &self.space, batch_id)
            .map_err(|error| self.unusable(error))?;
        self.ledger.append(batch).await
    }

    /// The stored vector of one object version.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn vector(&self, image_id: &str) -> Result<Option<Vec<f32>>, TableError> {
        for batch in
            self.ledger.rows(Some(one_of("image_id", [image_id.to_owned()])), &["vector"]).await?
        {
            let vectors: &FixedSizeListArray =
                column(&batch, "vector").map_err(|error| self.unusable(error))?;
            if batch.num_rows() > 0
                && let Some(values) = vectors.value(0).as_any().downcast_ref::<Float32Array>()
            {
                return Ok(Some(values.values().to_vec()));
            }
        }
        Ok(None)
    }

    /// The nearest objects. Everything one call returns comes from one version of the table.
    ///
    /// An object that was overwritten, or appended twice, can have several rows; only its newest
    /// counts, so one that is found by its former content is left out and the search goes on to the
    /// next.
    ///
    /// # Errors
    /// A vector of another length, or the store did not answer or refused.
    pub async fn search(&self, query: &VectorQuery) -> Result<Found, TableError> {
        self.check_length(&query.vector)?;
        let pinned = self.pinned().await?;
        let table_version = pinned.ledger.version().await?;
        let plan = match query.exact {
            true => Plan::Exact,
            false => {
                Plan::choose(&pinned.ledger, table_version, &self.indexed, &query.filter).await?
            }
        };
        let wanted = (query.offset + query.top_k).max(1);
        let mut limit = first_limit(wanted);
        loop {
            let candidates = pinned.nearest(query, plan, limit).await?;
            let last = candidates.last().map(|hit| hit.score);
            let too_low = |score: f32| query.min_score.is_some_and(|min| score < min);
            // The candidates are in order, so nothing better follows one that is too low.
            let exhausted = candidates.len() < limit || last.is_some_and(too_low);
            let mut hits = pinned.newest_only(candidates, table_version).await?;
            hits.retain(|hit| !too_low(hit.score));
            if query.collapse {
                hits = duplicates::first_of_each(hits);
            }
            // Rows that score the same as the last candidate may have been cut off; which of them
            // belong to this page is known only once a worse one has been seen.
            let complete =
                hits.get(wanted - 1).is_some_and(|hit| last.is_none_or(|last| hit.score > last));
            if exhausted || complete {
                let mut hits: Vec<_> =
                    hits.into_iter().skip(query.offset).take(query.top_k).collect();
                if query.collapse {
                    let hashes = hits.iter().map(|hit| hit.facts.content_hash.clone()).collect();
                    duplicates::attach(&mut hits, pinned.duplicates(hashes, &query.filter).await?);
                }
                return Ok(Found { hits, table_version, exact: plan.is_exact(limit) });
            }
            // Rows were left out as former content or as duplicates, or score the same: look
            // further.
            limit *= 4;
        }
    }

    async fn nearest(
        &self,
        query: &VectorQuery,
        plan: Plan,
        limit: usize,
    ) -> Result<Vec<Hit>, TableError> {
        let batches = self
            .ledger
            .nearest(&query.vector, plan, query.filter.expression(), limit, &FACTS_COLUMNS)
            .await?;
        let mut hits = Vec::new();
        for batch in batches {
            let facts = schema::read_facts(&batch).map_err(|error| self.unusable(error))?;
            let distances: &Float32Array =
                column(&batch, "_distance").map_err(|error| self.unusable(error))?;
            // Cosine distance is 1 - cosine similarity.
            let scored = facts.into_iter().zip(distances.values());
            hits.extend(scored.map(|(facts, distance)| Hit {
                facts,
                score: 1.0 - distance,
                duplicates: None,
            }));
        }
        // Equal scores must not change places between two calls, or paging repeats and skips.
        hits.sort_by(|a, b| {
            b.score.total_cmp(&a.score).then_with(|| a.facts.image_id.cmp(&b.facts.image_id))
        });
        Ok(hits)
    }

    /// Keeps the rows that are the newest of their object, each object once.
    async fn newest_only<T: AsRef<Facts>>(
        &self,
        found: Vec<T>,
        version: u64,
    ) -> Result<Vec<T>, TableError> {
        let object = |facts: &Facts| (facts.bucket.clone(), facts.key.clone());
        let mut newest = self.newest.recall(version, found.iter().map(|row| object(row.as_ref())));
        let missing = newest::unknown(&found, &newest);
        if !missing.is_empty() {
            let looked_up = self.ledger.newest(&missing).await?;
            self.newest.remember(version, &looked_up);
            newest.extend(looked_up);
        }
        Ok(newest::keep(found, &newest))
    }

    /// The objects with these contents (`content_hash`) that the filter keeps, by content. For a
    /// table that is held at a version.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn duplicates(
        &self,
        hashes: Vec<String>,
        filter: &Filter,
    ) -> Result<HashMap<String, Vec<Facts>>, TableError> {
        let condition =
            filter.expression().into_iter().fold(one_of("content_hash", hashes), DfExpr::and);
        let mut copies = Vec::new();
        for batch in self.ledger.rows(Some(condition), &FACTS_COLUMNS).await? {
            copies.extend(schema::read_facts(&batch).map_err(|error| self.unusable(error))?);
        }
        let mut by_content: HashMap<String, Vec<Facts>> = HashMap::new();
        for copy in self.newest_only(copies, self.ledger.version().await?).await? {
            by_content.entry(copy.content_hash.clone()).or_default().push(copy);
        }
        Ok(by_content)
    }

    pub(crate) fn check_length(&self, vector: &[f32]) -> Result<(), TableError> {
        let (got, dim) = (vector.len(), self.space.dim);
        if got == dim {
            Ok(())
        } else {
            Err(self.unusable(format!("the query vector has {got} values, {dim} are expected")))
        }
    }

    pub(crate) fn unusable(&self, problem: impl ToString) -> TableError {
        TableError::rows(&self.ledger.name, problem)
    }
}
