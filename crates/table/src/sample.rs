//! Some of a model's vectors, as a picture of all of them.

use arrow::array::{Array, FixedSizeListArray, Float32Array};

use crate::embeddings::Embeddings;
use crate::error::TableError;
use crate::filter::one_of;
use crate::ledger::PER_QUERY;
use crate::overlap;
use crate::schema::column;

impl Embeddings {
    /// At most so many of its vectors, spread evenly over the identities of the pictures: identities are hashes, so these are
    /// as good as drawn by lot, and the same table gives the same ones.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn sample(&self, most: usize) -> Result<Vec<Vec<f32>>, TableError> {
        let ids = overlap::ids(self.ledger()).await?;
        let step = ids.len().div_ceil(most.max(1)).max(1);
        let chosen: Vec<_> = ids.into_iter().step_by(step).map(|id| format!("{id:032x}")).collect();
        let mut vectors = Vec::with_capacity(chosen.len());
        for some in chosen.chunks(PER_QUERY) {
            for batch in self.ledger().rows(Some(one_of("image_id", some.iter().cloned())), &["vector"]).await? {
                let stored: &FixedSizeListArray =
                    column(&batch, "vector").map_err(|error| TableError::rows(self.ledger().name(), error))?;
                let values = (0..batch.num_rows()).map(|row| stored.value(row));
                vectors.extend(values.filter_map(|row| Some(row.as_any().downcast_ref::<Float32Array>()?.values().to_vec())));
            }
        }
        // Spare rows would come on top.
        vectors.truncate(most);
        Ok(vectors)
    }
}
