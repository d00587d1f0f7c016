//! Tests of the vectors, on made-up ones.

mod changes;
mod damage;
mod parts;
mod search;

use std::collections::HashSet;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::vectors::{Allowed, Near, VectorFile, Vectors, dot};

/// Makes unit vectors around as many centres.
struct Maker {
    dim: usize,
    centres: Vec<Vec<f32>>,
    random: StdRng,
}

impl Maker {
    fn new(dim: usize, centres: usize, seed: u64) -> Self {
        let mut this = Self { dim, centres: Vec::new(), random: StdRng::seed_from_u64(seed) };
        this.centres = (0..centres).map(|_| this.noise()).collect();
        this
    }

    /// About normal in each dimension.
    fn noise(&mut self) -> Vec<f32> {
        let random = &mut self.random;
        let mut normal = || {
            let [a, b, c, d]: [u16; 4] = random.random();
            [a, b, c, d].into_iter().map(|part| f32::from(part) / 37_837.0).sum::<f32>() - 3.464
        };
        (0..self.dim).map(|_| normal()).collect()
    }

    fn vector(&mut self) -> Vec<f32> {
        let noise = self.noise();
        let centre = &self.centres[self.random.random_range(0..self.centres.len())];
        unit(centre.iter().zip(noise).map(|(centre, noise)| centre + 0.9 * noise).collect())
    }

    fn rows(&mut self, slots: impl Iterator<Item = u32>) -> Vec<(u32, Vec<f32>)> {
        slots.map(|slot| (slot, self.vector())).collect()
    }
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|value| *value /= length);
    vector
}

fn empty(dim: usize) -> Vectors {
    Vectors::empty(Arc::new(VectorFile::anonymous(None, dim).unwrap()))
}

/// Each slot that is a multiple of `every`, shifted.
fn some(slots: u32, every: u32, shift: u32) -> Allowed {
    (0..slots).filter(|slot| slot % every == shift).collect()
}

/// All rows compared, without any of the code under test but `dot`.
fn compared(
    rows: &[(u32, Vec<f32>)],
    query: &[f32],
    allowed: Option<&Allowed>,
    wanted: usize,
) -> Vec<Near> {
    let mut near: Vec<Near> = rows
        .iter()
        .filter(|(slot, _)| allowed.is_none_or(|allowed| allowed.contains(*slot)))
        .map(|(slot, vector)| Near { slot: *slot, cosine: dot(query, vector) })
        .collect();
    near.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then(a.slot.cmp(&b.slot)));
    near.truncate(wanted);
    near
}

/// The share of the right ones that were found.
fn recall(found: &[Near], right: &[Near]) -> f64 {
    let found: HashSet<u32> = found.iter().map(|near| near.slot).collect();
    let met = right.iter().filter(|near| found.contains(&near.slot)).count();
    met as f64 / right.len() as f64
}
