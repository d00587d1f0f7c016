//! The short code of one vector: two bits for each dimension of its rotated residual.
//!
//! With `r` the residual to the centroid of the vector's list and `g` the grid point of its code,
//! `g[j]` in {-3, -1, 1, 3}, the product with a query `q` is estimated as `factor * <g, q>` where
//! `factor = |r|² / <g, r>`. That is the estimator of extended RaBitQ (Gao et al., SIGMOD 2025):
//! for a random rotation it is unbiased, and its error has the standard deviation
//! `|factor * g - r| * |q| / sqrt(dimensions)`.

use crate::vectors::products::ordered;
use crate::vectors::query::{FIELDS, LANES, LAST_LANES};

/// The step of the best uniform grid of four levels for a Gaussian of unit variance (Max 1960).
const STEP: f32 = 0.9957;

/// What is kept of a residual beside its bits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Factor {
    /// `|r|² / <g, r>`; 0 for a residual of length 0.
    pub(super) factor: f32,
    /// The standard deviation of the estimate's error for a query of unit length, divided by
    /// `factor`.
    pub(super) noise: f32,
}

/// Words of a code of this many dimensions, which are a multiple of 64.
pub(super) fn width(padded: usize) -> usize {
    padded / FIELDS
}

/// Writes the code of a residual to `code`: the level of each dimension, 0 to 3, in two bits.
#[inline(always)]
pub(super) fn encode(residual: &[f32], code: &mut [u16]) -> Factor {
    let square = ordered(residual, residual);
    let step = STEP * (square / residual.len() as f32).sqrt();
    let (groups, rest) = residual.as_chunks::<{ LANES * FIELDS }>();
    let (words, last_words) = code.as_chunks_mut::<LANES>();
    let (mut product, mut grid) = (0.0, 0.0);
    for (group, words) in groups.iter().zip(words) {
        let Some(fields) = group.as_chunks().0.first_chunk() else { continue };
        let (part, square) = pack(fields, step, words);
        product += part;
        grid += square;
    }
    let last = last_words.first_chunk_mut::<LAST_LANES>();
    if let (Some(words), Some(fields)) = (last, rest.as_chunks().0.first_chunk()) {
        let (part, square) = pack(fields, step, words);
        product += part;
        grid += square;
    }
    if !(product > 0.0 && square > 0.0) {
        return Factor::default();
    }
    let factor = square / product;
    let noise = ((grid - square / (factor * factor)).max(0.0) / residual.len() as f32).sqrt();
    Factor { factor, noise }
}

/// Packs one number of each field into its lane. Returns `<g, r>` and `<g, g>`.
#[inline(always)]
fn pack<const N: usize>(
    fields: &[[f32; N]; FIELDS],
    step: f32,
    words: &mut [u16; N],
) -> (f32, f32) {
    let (mut products, mut squares) = ([0f32; N], [0f32; N]);
    *words = [0; N];
    for lane in 0..N {
        for (field, values) in fields.iter().enumerate() {
            let size = values[lane].abs();
            let (far, positive) = (u16::from(size >= step), u16::from(values[lane] >= 0.0));
            let grid = if size >= step { 3.0 } else { 1.0 };
            products[lane] += grid * size;
            squares[lane] += grid * grid;
            // Levels 0, 1, 2, 3 are far below, below, above and far above 0.
            words[lane] |= ((2 * positive) | (far ^ positive ^ 1)) << (2 * field);
        }
    }
    (products.iter().sum(), squares.iter().sum())
}
