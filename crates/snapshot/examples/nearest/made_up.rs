//! Made-up vectors.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How rows and queries are made.
#[derive(Clone, Copy)]
pub(crate) enum Set {
    /// 2,000 centres, and 0.9 of noise.
    Clustered,
    /// No structure at all.
    Plain,
    /// Centres of very different sizes near a common direction, noise of which few dimensions have
    /// most, and queries around another direction.
    Text,
}

/// Makes the vectors of a set.
pub(crate) struct Maker {
    pub(crate) set: Set,
    pub(crate) dim: usize,
    centres: Vec<f32>,
    weights: Vec<f32>,
    pub(crate) random: StdRng,
}

impl Maker {
    pub(crate) fn new(set: Set, dim: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let centres = (0..2000 * dim).map(|_| normal(&mut random)).collect();
        let weights = (0..dim)
            .map(|index| match set {
                Set::Text => 1.5 / (1.0 + index as f32 / 16.0).sqrt(),
                _ => 0.9,
            })
            .collect();
        Self { set, dim, centres, weights, random }
    }

    /// A row or a query, of unit length.
    pub(crate) fn vector(&mut self, is_query: bool) -> Vec<f32> {
        let centre = match self.set {
            Set::Clustered => self.random.random_range(0..2000),
            Set::Plain => 0,
            // Some centres have hundreds of times the rows of others.
            Set::Text => (2000.0 * self.random.random::<f32>().powi(3)) as usize,
        };
        let (centre, offset, common) = match self.set {
            Set::Clustered => (centre, 0.0, 1.0),
            Set::Plain => (centre, 0.0, 0.0),
            Set::Text if is_query => (centre, -0.5, 0.5),
            Set::Text => (centre, 0.8, 0.8),
        };
        let mut vector: Vec<f32> = (0..self.dim)
            .map(|index| {
                let value = self.centres[centre * self.dim + index] * common;
                value + self.weights[index] * normal(&mut self.random) + offset
            })
            .collect();
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|value| *value /= length);
        vector
    }
}

fn normal(random: &mut StdRng) -> f32 {
    let (a, b): (f32, f32) = (random.random::<f32>().max(1e-12), random.random());
    (-2.0 * a.ln()).sqrt() * (std::f32::consts::TAU * b).cos()
}
