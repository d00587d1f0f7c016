//! Stored vectors, by object version and by content. The same bytes under another key have the same
//! vector, so a model need not see them twice.

use std::collections::HashMap;

use arrow::array::StringArray;
use lancedb::expr::{col, lit};

use crate::embeddings::Embeddings;
use crate::error::TableError;
use crate::expression::{MOST_VALUES, one_of};
use crate::schema::{VECTOR_COLUMN, column, read_vectors};

impl Embeddings {
    /// The stored vector of one object version.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn vector(&self, image_id: &str) -> Result<Option<Vec<f32>>, TableError> {
        for batch in self.ledger.rows_of(&[image_id], &[VECTOR_COLUMN]).await? {
            let vectors = read_vectors(&batch).map_err(|error| self.ledger.unusable(error))?;
            if let Some(vector) = vectors.into_iter().next() {
                return Ok(Some(vector));
            }
        }
        Ok(None)
    }

    /// The stored vectors of these object versions, by image id. Ids without one are left out.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn vectors_of(
        &self,
        ids: &[String],
    ) -> Result<HashMap<String, Vec<f32>>, TableError> {
        let unusable = |error| self.ledger.unusable(error);
        let mut vectors = HashMap::new();
        for batch in self.ledger.rows_of(ids, &["image_id", VECTOR_COLUMN]).await? {
            let ids: &StringArray = column(&batch, "image_id").map_err(unusable)?;
            let stored = read_vectors(&batch).map_err(unusable)?;
            vectors.extend(ids.iter().flatten().map(str::to_owned).zip(stored));
        }
        Ok(vectors)
    }

    /// The stored vectors of these contents (`content_hash`), if they were made with the present
    /// manifest. Contents without one are left out.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn vectors_of_content(
        &self,
        hashes: &[String],
    ) -> Result<HashMap<String, Vec<f32>>, TableError> {
        let unusable = |error| self.ledger.unusable(error);
        let present = || col("manifest_hash").eq(lit(self.space.manifest_hash.as_str()));
        let mut vectors = HashMap::new();
        for some in hashes.chunks(MOST_VALUES) {
            let condition = one_of("content_hash", some).and(present());
            // One content may have very many copies. One of them is chosen before any vector is
            // read.
            let mut copies = HashMap::new();
            for batch in self.ledger.rows(Some(condition), &["content_hash", "image_id"]).await? {
                let hashes: &StringArray = column(&batch, "content_hash").map_err(unusable)?;
                let ids: &StringArray = column(&batch, "image_id").map_err(unusable)?;
                for (hash, id) in hashes.iter().flatten().zip(ids.iter().flatten()) {
                    copies.entry(hash.to_owned()).or_insert_with(|| id.to_owned());
                }
            }
            if copies.is_empty() {
                continue;
            }
            let chosen = one_of("image_id", copies.into_values()).and(present());
            for batch in self.ledger.rows(Some(chosen), &["content_hash", VECTOR_COLUMN]).await? {
                let hashes: &StringArray = column(&batch, "content_hash").map_err(unusable)?;
                let stored = read_vectors(&batch).map_err(unusable)?;
                for (hash, vector) in hashes.iter().flatten().zip(stored) {
                    vectors.entry(hash.to_owned()).or_insert(vector);
                }
            }
        }
        Ok(vectors)
    }
}
