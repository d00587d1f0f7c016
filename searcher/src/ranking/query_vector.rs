//! The query vector: all examples of a search in one.

use inference::Embedding;

use super::search::Search;
use crate::problem::{self, Problem};
use crate::query::Example;

/// Weight of an excluded word. With the full weight of an example, pictures would be found that
/// are merely far from the word.
const EXCLUDED_WEIGHT: f32 = -0.5;

impl Search<'_> {
    /// The weighted sum of the vectors of all examples and excluded words, as a unit vector.
    ///
    /// # Errors
    /// An example cannot be used, or the model is missing or fails.
    pub(super) async fn query_vector(&self) -> Result<Vec<f32>, Problem> {
        let excluded =
            self.query.excluded.iter().map(|word| (Example::Text(word.clone()), EXCLUDED_WEIGHT));
        let mut sum = vec![0.0; self.model.loaded()?.space.dim];
        for (example, weight) in self.query.examples.iter().cloned().chain(excluded) {
            let vector = self.example_vector(example).await?;
            sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += weight * value);
        }
        let unit = Embedding::normalise(sum);
        unit.map(Embedding::into_vec)
            .ok_or_else(|| Problem::field("examples", "cancel each other out"))
    }

    async fn example_vector(&self, example: Example) -> Result<Vec<f32>, Problem> {
        let encoding = &self.engine.encoding;
        match example {
            Example::Vector(values) => {
                let dim = self.model.loaded()?.space.dim;
                if values.len() != dim {
                    let detail = format!("has {} values, the model's have {dim}", values.len());
                    return Err(Problem::field("vector", detail));
                }
                let unit = Embedding::normalise(values)
                    .ok_or_else(|| Problem::field("vector", "has no direction"))?;
                Ok(unit.into_vec())
            }
            Example::ImageId(id) => {
                let stored = match &self.snapshot.embeddings {
                    Some(embeddings) => embeddings.vector(&id).await.map_err(problem::tables)?,
                    None => None,
                };
                stored.ok_or_else(|| problem::no_image(&id))
            }
            Example::Text(text) => encoding.text(self.model, text).await,
            Example::ImageUrl(url) => {
                let bytes = self.engine.fetcher.fetch(&url).await?;
                encoding.picture(self.model, bytes, "image_url").await
            }
            Example::Image(bytes) => encoding.picture(self.model, bytes, "image").await,
        }
    }
}
