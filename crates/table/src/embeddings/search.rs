//! The search by a picture's vector, and what decides which of the candidates are shown.

use std::collections::{HashMap, HashSet};

use lancedb::expr::DfExpr;

use crate::candidates::{Candidate, Candidates, once};
use crate::embeddings::Embeddings;
use crate::error::TableError;
use crate::expression::one_of;
use crate::filter::Filter;
use crate::newest::NewestIds;
use crate::schema::{FACTS_COLUMNS, Facts, read_facts};
use crate::vector_search::VectorSearch;

impl Embeddings {
    /// The nearest object versions of a snapshot, former versions of overwritten objects among
    /// them, and whether all rows were compared. Otherwise an index chose candidates and may have
    /// missed some. The score is the cosine similarity, from -1 to 1; it is exact either way.
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
        self.space.check_length(vector).map_err(|problem| self.ledger.unusable(problem))?;
        let condition = filter.expression();
        let search = VectorSearch { vector, filter, condition, exact, limit };
        let (Candidates { best, is_full }, exact) =
            self.ledger.nearest(search, &self.indexed).await?;
        Ok((Candidates { best: once(best), is_full }, exact))
    }

    /// The newest version of the object of each of these candidates, and perhaps of further
    /// objects. Remembered as long as the table stays the same. For a snapshot.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn newest(&self, of: &[Candidate]) -> Result<NewestIds, TableError> {
        let objects = of.iter().map(|found| (found.bucket.clone(), found.key.clone())).collect();
        self.newest.of(&self.ledger, objects).await
    }

    /// The objects with these contents (`content_hash`) that meet the filter, by content. Each
    /// object counts with its newest version only. For a snapshot.
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
            copies.extend(read_facts(&batch).map_err(|error| self.ledger.unusable(error))?);
        }
        let object = |copy: &Facts| (copy.bucket.clone(), copy.key.clone());
        let newest = self.newest.of(&self.ledger, copies.iter().map(object).collect()).await?;
        copies.retain(|copy| newest.get(&object(copy)) == Some(&copy.image_id));
        // A spare row has the same id.
        let mut seen = HashSet::new();
        copies.retain(|copy| seen.insert(copy.image_id.clone()));
        let mut by_content: HashMap<String, Vec<Facts>> = HashMap::new();
        for copy in copies {
            by_content.entry(copy.content_hash.clone()).or_default().push(copy);
        }
        Ok(by_content)
    }
}
