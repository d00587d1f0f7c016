//! The query vector: all examples of a search in one.

use inference::Embedding;

use super::calibration::UnwantedPart;
use super::search::Search;
use crate::problem::{self, Problem};
use crate::query::Example;
use crate::vector_memory::QueryVector;

/// Weight of an excluded word. With the full weight of an example, pictures would be found that
/// are merely far from the word.
const EXCLUDED_WEIGHT: f32 = -0.5;

/// The examples of a search as one vector.
pub(super) struct CombinedVector {
    /// Of unit length.
    pub(super) values: Vec<f32>,
    /// `None` if nothing is unwanted.
    pub(super) unwanted: Option<UnwantedPart>,
}

impl Search<'_> {
    /// The weighted sum of the vectors of all examples and excluded words, as a unit vector.
    ///
    /// # Errors
    /// An example cannot be used, or the model is missing or fails.
    pub(super) async fn query_vector(&self) -> Result<CombinedVector, Problem> {
        let excluded = self.query.excluded.iter().cloned().map(Example::Text);
        let weighted = self.query.examples.iter().cloned();
        let all: Vec<_> =
            weighted.chain(excluded.map(|example| (example, EXCLUDED_WEIGHT))).collect();
        let texts = all.iter().filter_map(|(example, _)| match example {
            Example::Text(text) => Some(text.clone()),
            _ => None,
        });
        let mut texts = self.text_vectors(texts.collect()).await?.into_iter();
        let dim = self.model.loaded()?.space.dim;
        let mut sum = vec![0.0; dim];
        let mut unwanted = UnwantedPart { wanted_weight: 0.0, vector: vec![0.0; dim] };
        for (example, weight) in all {
            let vector = self.example_vector(example, &mut texts).await?;
            add(&mut sum, weight, &vector);
            if weight > 0.0 {
                unwanted.wanted_weight += weight;
            } else {
                add(&mut unwanted.vector, weight, &vector);
            }
        }
        let unit = Embedding::normalise(sum)
            .ok_or_else(|| Problem::field("examples", "cancel each other out"))?;
        let is_unwanted = unwanted.vector.iter().any(|value| *value != 0.0);
        Ok(CombinedVector { values: unit.into_vec(), unwanted: is_unwanted.then_some(unwanted) })
    }

    /// One vector per text, in their order.
    async fn text_vectors(&self, texts: Vec<String>) -> Result<Vec<QueryVector>, Problem> {
        match texts.is_empty() {
            true => Ok(Vec::new()),
            false => self.engine.encoding.texts(self.model, texts).await,
        }
    }

    /// The vector of an example. `texts` are those of the texts, in their order.
    async fn example_vector(
        &self,
        example: Example,
        texts: &mut impl Iterator<Item = QueryVector>,
    ) -> Result<QueryVector, Problem> {
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
                Ok(unit.into_vec().into())
            }
            Example::ImageId(id) => {
                let number = u128::from_str_radix(&id, 16).map_err(|_| problem::no_image(&id))?;
                let stored = self.view.vector(number).await?;
                stored.map(QueryVector::from).ok_or_else(|| problem::no_image(&id))
            }
            Example::ImageUrl(url) => {
                let bytes = self.engine.fetcher.fetch(&url).await?;
                encoding.picture(self.model, bytes, "image_url").await
            }
            Example::Image(bytes) => encoding.picture(self.model, bytes, "image").await,
            Example::Text(text) => {
                texts.next().ok_or_else(|| Problem::unavailable("the model gave no vector", text))
            }
        }
    }
}

fn add(sum: &mut [f32], weight: f32, vector: &[f32]) {
    sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += weight * value);
}
