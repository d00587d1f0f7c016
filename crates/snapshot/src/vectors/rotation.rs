//! A random rotation in O(d log d): random signs and Hadamard transforms by turns.
//!
//! It spreads every vector evenly over all dimensions, which is what codes of few bits need and
//! what makes their errors independent of the data (Gao & Long, RaBitQ, SIGMOD 2024). Dimensions
//! that are no power of two are transformed prefix, suffix, prefix, suffix, with a step of Kac's
//! walk between, as in the authors' RaBitQ library.

use pulp::{Arch, Simd, WithSimd};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Rounds of signs and a transform.
const ROUNDS: usize = 4;

/// Makes other signs than another seed. Codes are comparable only under one.
const SEED: u64 = 0x6275_636b_6574;

/// Rotates vectors of `dim` dimensions in the space of `padded` dimensions.
#[derive(Debug)]
pub(super) struct Rotation {
    dim: usize,
    padded: usize,
    signs: Vec<f32>,
}

impl Rotation {
    pub(super) fn new(dim: usize) -> Self {
        let padded = padded(dim);
        let signs = (0..(ROUNDS * padded / 64) as u64)
            .flat_map(|word| {
                let bits = xxh3_64_with_seed(&word.to_le_bytes(), SEED);
                (0..64).map(move |bit| if bits >> bit & 1 == 1 { 1.0 } else { -1.0 })
            })
            .collect();
        Self { dim, padded, signs }
    }

    /// Dimensions of what can be rotated.
    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// Dimensions of what is rotated: a multiple of 64.
    pub(super) fn padded(&self) -> usize {
        self.padded
    }

    /// Writes the rotated `vector`, of as many dimensions as padded, to `out`.
    pub(super) fn rotate(&self, vector: &[f32], out: &mut [f32]) {
        Arch::new().dispatch(Rotate { rotation: self, vector, out });
    }

    pub(super) fn memory_bytes(&self) -> usize {
        4 * self.signs.capacity()
    }

    #[inline(always)]
    fn turn(&self, vector: &[f32], out: &mut [f32]) {
        out.fill(0.0);
        for (out, value) in out.iter_mut().zip(vector) {
            *out = *value;
        }
        let whole = 1 << self.padded.ilog2();
        let from = self.padded - whole;
        let scale = (whole as f32).sqrt().recip();
        for (round, signs) in self.signs.chunks_exact(self.padded).enumerate() {
            for (out, sign) in out.iter_mut().zip(signs) {
                *out *= sign;
            }
            let from = if round % 2 == 0 { 0 } else { from };
            if let Some(part) = out.get_mut(from..from + whole) {
                transform(part);
                for out in part {
                    *out *= scale;
                }
            }
            if whole != self.padded {
                walk(out);
            }
        }
    }
}

struct Rotate<'a> {
    rotation: &'a Rotation,
    vector: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Rotate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.rotation.turn(self.vector, self.out);
    }
}

/// Dimensions of codes of vectors of this dimension.
pub(super) fn padded(dim: usize) -> usize {
    dim.div_ceil(64).max(1) * 64
}

/// The Hadamard transform without its scale. The length is a power of two from 8.
#[inline(always)]
fn transform(values: &mut [f32]) {
    let (eights, _) = values.as_chunks_mut::<8>();
    for eight in eights {
        for half in [1, 2, 4] {
            let before = *eight;
            for (index, value) in eight.iter_mut().enumerate() {
                let other = before[index ^ half];
                *value = if index & half == 0 { *value + other } else { other - *value };
            }
        }
    }
    let mut half = 8;
    while half < values.len() {
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            butterflies(low, high, 1.0);
        }
        half *= 2;
    }
}

/// One step of Kac's walk: mixes each dimension with the one half the dimensions away.
#[inline(always)]
fn walk(values: &mut [f32]) {
    let (low, high) = values.split_at_mut(values.len() / 2);
    butterflies(low, high, std::f32::consts::FRAC_1_SQRT_2);
}

#[inline(always)]
fn butterflies(low: &mut [f32], high: &mut [f32], scale: f32) {
    for (low, high) in low.iter_mut().zip(high) {
        (*low, *high) = ((*low + *high) * scale, (*low - *high) * scale);
    }
}
