//! What a search finds before anything is known of it but where it is: several searches of one
//! version of the tables, joined by who asks. Facts are read only of what is shown.

use std::collections::{HashMap, HashSet};

use arrow::array::{
    Array, FixedSizeListArray, Float32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::error::ArrowError;
use futures::TryStreamExt;
use lancedb::DistanceType;
use lancedb::expr::{DfExpr, col, lit};
use lancedb::query::{ExecutableQuery, QueryBase, Select};

use crate::embeddings::Embeddings;
use crate::error::TableError;
use crate::filter::{Filter, one_of};
use crate::ledger::{Ledger, PER_QUERY};
use crate::location::Database;
use crate::newest::{self, NewestIds};
use crate::plan::{IndexedRows, Plan};
use crate::schema::{FACTS_COLUMNS, Facts, column, read_facts};

/// An object version that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Identity.
    pub image_id: String,
    /// Bucket name.
    pub bucket: String,
    /// Object key.
    pub key: String,
    /// Hash of the bytes.
    pub content_hash: String,
    /// When its row was written, in microseconds since 1970.
    pub written_at: i64,
    /// What the search thinks of it; more is better.
    pub score: f32,
}

/// What a search by one signal found.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidates {
    /// Each object version once, the best first.
    pub best: Vec<Candidate>,
    /// Whether as many rows were found as were asked for, so that there may be more; some of them
    /// may not be among the best, because others have taken their place.
    pub is_full: bool,
}

/// Least rows to ask a table for.
const LEAST_LIMIT: usize = 32;

/// Rows to ask for at first, where so many are wanted. In steps, so that the pages of one search
/// mostly see the same candidates: what an index finds depends on how much it is asked for.
pub fn first_limit(wanted: usize) -> usize {
    let enough = wanted.saturating_add(wanted / 4 + 4);
    std::iter::successors(Some(LEAST_LIMIT), |limit| Some(limit.saturating_mul(4)))
        .find(|limit| *limit >= enough)
        .unwrap_or(enough)
}

pub(crate) const CANDIDATE_COLUMNS: [&str; 5] =
    ["image_id", "bucket", "key", "content_hash", "written_at"];

/// Reads candidates; `score` gives that of a row from the column of this name. Best first, equal
/// scores by id, so that the same version of a table always gives the same order.
pub(crate) fn read(
    batches: &[RecordBatch],
    name: &str,
    score: impl Fn(f32) -> f32,
) -> Result<Vec<Candidate>, ArrowError> {
    let mut candidates = Vec::new();
    for batch in batches {
        let text = |name| column::<StringArray>(batch, name);
        let (ids, buckets, keys, hashes) =
            (text("image_id")?, text("bucket")?, text("key")?, text("content_hash")?);
        let scores: &Float32Array = column(batch, name)?;
        let written: &TimestampMicrosecondArray = column(batch, "written_at")?;
        candidates.extend((0..batch.num_rows()).map(|row| Candidate {
            image_id: ids.value(row).to_owned(),
            bucket: buckets.value(row).to_owned(),
            key: keys.value(row).to_owned(),
            content_hash: hashes.value(row).to_owned(),
            written_at: written.value(row),
            score: score(scores.value(row)),
        }));
    }
    candidates.sort_by(|a: &Candidate, b| {
        b.score.total_cmp(&a.score).then_with(|| a.image_id.cmp(&b.image_id))
    });
    Ok(candidates)
}

/// Each object version once, by its best row.
pub(crate) fn once(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut seen = HashSet::new();
    candidates.retain(|candidate| seen.insert(candidate.image_id.clone()));
    candidates
}

/// A search by a vector.
pub(crate) struct Asked<'a> {
    pub(crate) vector: &'a [f32],
    /// By which it is decided how to answer.
    pub(crate) filter: &'a Filter,
    /// What rows must be like.
    pub(crate) condition: Option<DfExpr>,
    /// Whether all rows are compared, even where an index would be quicker.
    pub(crate) exact: bool,
    pub(crate) limit: usize,
}

impl Ledger {
    /// The nearest rows by cosine similarity, and whether all rows were compared. For a table that
    /// is held at a version.
    pub(crate) async fn candidates(
        &self,
        asked: Asked<'_>,
        indexed: &IndexedRows,
    ) -> Result<(Candidates, bool), TableError> {
        let Asked { vector, filter, condition, exact, limit } = asked;
        let plan = match exact {
            true => Plan::Exact,
            false => Plan::choose(self, self.version().await?, indexed, filter).await?,
        };
        let rows = self.nearest(vector, plan, condition, limit, &CANDIDATE_COLUMNS).await?;
        let best = read(&rows, "_distance", |distance| 1.0 - distance)
            .map_err(|error| TableError::rows(&self.name, error))?;
        Ok((Candidates { is_full: best.len() >= limit, best }, plan.is_exact(limit)))
    }

    /// The rows nearest to a vector.
    pub(crate) async fn nearest(
        &self,
        vector: &[f32],
        plan: Plan,
        condition: Option<DfExpr>,
        limit: usize,
        columns: &[&str],
    ) -> Result<Vec<RecordBatch>, TableError> {
        let failed = TableError::of(&self.name);
        let mut columns = columns.to_vec();
        columns.push("_distance");
        let search = self.table.vector_search(vector).map_err(&failed)?;
        let mut search = plan
            .apply(search, limit)
            .map_err(&failed)?
            .column("vector")
            .distance_type(DistanceType::Cosine)
            .limit(limit)
            .select(Select::columns(&columns));
        if let Some(condition) = condition {
            search = search.only_if_expr(condition);
        }
        search.execute().await.map_err(&failed)?.try_collect().await.map_err(failed)
    }

    /// The same table at a former version. `None` where that version is gone: pruned, or the table
    /// made anew.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn at(&self, database: &Database, version: u64) -> Result<Option<Self>, TableError> {
        // Held, because this handle itself goes on to newer versions.
        let present = self.pinned().await?;
        if present.version().await? == version {
            return Ok(Some(present));
        }
        // A handle of its own: going to a version moves all clones of a handle.
        let Some(former) = Self::open(database, &self.name).await? else { return Ok(None) };
        match former.table.checkout(version).await {
            Ok(()) => Ok(Some(former)),
            Err(error) if former.has_version(version).await.is_ok_and(|has| has) => {
                Err(TableError::of(&self.name)(error))
            }
            Err(_) => Ok(None),
        }
    }

    async fn has_version(&self, version: u64) -> Result<bool, TableError> {
        let versions = self.table.list_versions().await.map_err(TableError::of(&self.name))?;
        Ok(versions.iter().any(|known| known.version == version))
    }

    /// Vectors of about `wanted` rows, the same ones as long as no rows come or go. Ids are hashes,
    /// so the rows with the smallest ids are a random sample.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn sample(&self, wanted: usize) -> Result<Vec<Vec<f32>>, TableError> {
        let rows = self.count_rows().await?.max(1);
        let condition = (rows > wanted).then(|| {
            let share = (u128::MAX / rows as u128).saturating_mul(wanted as u128);
            col("image_id").lt(lit(format!("{share:032x}")))
        });
        let mut sample = Vec::new();
        for batch in self.rows(condition, &["vector"]).await? {
            let vectors: &FixedSizeListArray =
                column(&batch, "vector").map_err(|error| TableError::rows(&self.name, error))?;
            sample.extend(vectors.iter().flatten().filter_map(|values| {
                Some(values.as_any().downcast_ref::<Float32Array>()?.values().to_vec())
            }));
        }
        Ok(sample)
    }

    /// Everything known without a model about these object versions, by image id.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn facts(&self, ids: &[String]) -> Result<HashMap<String, Facts>, TableError> {
        let mut facts = HashMap::new();
        for some in ids.chunks(PER_QUERY) {
            for batch in
                self.rows(Some(one_of("image_id", some.iter().cloned())), &FACTS_COLUMNS).await?
            {
                let read =
                    read_facts(&batch).map_err(|error| TableError::rows(&self.name, error))?;
                facts.extend(read.into_iter().map(|facts| (facts.image_id.clone(), facts)));
            }
        }
        Ok(facts)
    }

    /// The newest object version of each of these keys, by bucket and key; a key that is not there
    /// is left out.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn newest(&self, keys: &HashSet<String>) -> Result<NewestIds, TableError> {
        let keys: Vec<_> = keys.iter().cloned().collect();
        let mut ids = NewestIds::new();
        for some in keys.chunks(PER_QUERY) {
            let columns = ["image_id", "bucket", "key", "last_modified", "written_at"];
            let rows = self.rows(Some(one_of("key", some.iter().cloned())), &columns).await?;
            ids.extend(
                newest::newest_of(&rows).map_err(|error| TableError::rows(&self.name, error))?,
            );
        }
        Ok(ids)
    }
}

impl Embeddings {
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

    /// The nearest object versions, former versions of overwritten objects among them; and whether
    /// all rows were compared. The score is the cosine similarity, from -1 to 1. For a table that
    /// is held at a version.
    ///
    /// # Errors
    /// A vector of another length, or the store did not answer or refused.
    pub async fn candidates(
        &self,
        vector: &[f32],
        filter: &Filter,
        exact: bool,
        limit: usize,
    ) -> Result<(Candidates, bool), TableError> {
        self.check_length(vector)?;
        let asked = Asked { vector, filter, condition: filter.expression(), exact, limit };
        let (Candidates { best, is_full }, exact) =
            self.ledger.candidates(asked, &self.indexed).await?;
        Ok((Candidates { best: once(best), is_full }, exact))
    }

    /// [`Ledger::newest`], remembered as long as the table stays the same.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn newest(&self, of: &[Candidate]) -> Result<NewestIds, TableError> {
        let version = self.ledger.version().await?;
        let mut known = self
            .newest
            .recall(version, of.iter().map(|found| (found.bucket.clone(), found.key.clone())));
        let missing =
            |found: &&Candidate| !known.contains_key(&(found.bucket.clone(), found.key.clone()));
        let missing: HashSet<_> =
            of.iter().filter(missing).map(|found| found.key.clone()).collect();
        if !missing.is_empty() {
            let looked_up = self.ledger.newest(&missing).await?;
            self.newest.remember(version, &looked_up);
            known.extend(looked_up);
        }
        Ok(known)
    }
}
