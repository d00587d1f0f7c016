//! The embedding: the vector that every encoder returns.

/// A vector of unit length that represents one picture or one text for one model.
///
/// Its values are finite and its Euclidean length is 1 (within f32 rounding). So the dot product of
/// two embeddings of the same model *space* is their cosine similarity, from -1 (opposite) to 1
/// (same).
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding(Vec<f32>);

impl Embedding {
    /// Scales `values` to unit length.
    ///
    /// `None` where they have no direction: there are none, one is NaN or infinite, or all are
    /// zero.
    pub fn normalise(mut values: Vec<f32>) -> Option<Embedding> {
        // f64, because squares of large f32 values overflow f32.
        let length = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if !length.is_finite() || length == 0.0 {
            return None;
        }
        for value in &mut values {
            *value = (f64::from(*value) / length) as f32;
        }
        Some(Embedding(values))
    }

    /// The values; their number is the model's dimension.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// The values, without a copy.
    pub fn into_vec(self) -> Vec<f32> {
        self.0
    }

    /// Cosine similarity, -1 to 1. It has a meaning only between embeddings of one model space.
    /// Values beyond the shorter of the two are ignored.
    pub fn cosine(&self, other: &Embedding) -> f32 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_unit_length() {
        let embedding = Embedding::normalise(vec![3.0, 4.0]).unwrap();
        assert_eq!(embedding.as_slice(), [0.6, 0.8]);
        assert!((embedding.cosine(&embedding) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn large_and_tiny_values_neither_overflow_nor_vanish() {
        for scale in [f32::MAX, f32::MIN_POSITIVE] {
            let embedding = Embedding::normalise(vec![scale, scale]).unwrap();
            assert!((embedding.as_slice()[0] - 0.5_f32.sqrt()).abs() < 1e-6, "{scale}");
        }
    }

    #[test]
    fn what_has_no_direction_is_refused() {
        for values in [vec![], vec![0.0; 4], vec![1.0, f32::NAN], vec![f32::INFINITY, 1.0]] {
            assert_eq!(Embedding::normalise(values), None);
        }
    }
}
