//! Vectors by content: the same bytes under another key have the same vector, so a model need not
//! see them twice.

use std::collections::HashMap;

use arrow::array::{Array, FixedSizeListArray, Float32Array, StringArray};
use lancedb::expr::{col, lit};

use crate::embeddings::Embeddings;
use crate::error::TableError;
use crate::filter::one_of;
use crate::ledger::PER_QUERY;
use crate::schema::column;

impl Embeddings {
    /// The stored vectors of these contents (`content_hash`), made with this very manifest; what is
    /// not there is left out.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn vectors_of_content(
        &self,
        hashes: &[String],
    ) -> Result<HashMap<String, Vec<f32>>, TableError> {
        let unusable = |error| TableError::rows(self.ledger().name(), error);
        let made_with_this = || col("manifest_hash").eq(lit(self.space.manifest_hash.as_str()));
        let mut vectors = HashMap::new();
        for some in hashes.chunks(PER_QUERY) {
            let condition = one_of("content_hash", some.iter().cloned()).and(made_with_this());
            // A content may have very many copies: one of each is chosen before any vector is read.
            let mut copies = HashMap::new();
            for batch in self.ledger().rows(Some(condition), &["content_hash", "image_id"]).await? {
                let hashes: &StringArray = column(&batch, "content_hash").map_err(unusable)?;
                let ids: &StringArray = column(&batch, "image_id").map_err(unusable)?;
                for (hash, id) in hashes.iter().flatten().zip(ids.iter().flatten()) {
                    copies.entry(hash.to_owned()).or_insert_with(|| id.to_owned());
                }
            }
            if copies.is_empty() {
                continue;
            }
            let chosen = one_of("image_id", copies.into_values()).and(made_with_this());
            for batch in self.ledger().rows(Some(chosen), &["content_hash", "vector"]).await? {
                let hashes: &StringArray = column(&batch, "content_hash").map_err(unusable)?;
                let stored: &FixedSizeListArray = column(&batch, "vector").map_err(unusable)?;
                for row in 0..batch.num_rows() {
                    let values = stored.value(row);
                    if let Some(values) = values.as_any().downcast_ref::<Float32Array>() {
                        vectors
                            .entry(hashes.value(row).to_owned())
                            .or_insert_with(|| values.values().to_vec());
                    }
                }
            }
        }
        Ok(vectors)
    }
}
