//! Inner products of f32 vectors, in one order of summation whatever the processor.

use pulp::{Arch, Simd, WithSimd};

/// As many sums run side by side: four registers of AVX2, eight of NEON.
const LANES: usize = 32;

/// The inner product of two vectors of one length: the cosine, if both are of unit length.
///
/// The order of summation is fixed and multiplications are not fused with additions, so the same
/// vectors give the same bits on every processor.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    Arch::new().dispatch(Dot(a, b))
}

/// `out[i]` is the product of `vector` and the `i`th row of `rows`, which has its length.
pub(super) fn dot_each(rows: &[f32], vector: &[f32], out: &mut [f32]) {
    Arch::new().dispatch(DotEach { rows, vector, out });
}

struct Dot<'a>(&'a [f32], &'a [f32]);

impl WithSimd for Dot<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f32 {
        ordered(self.0, self.1)
    }
}

struct DotEach<'a> {
    rows: &'a [f32],
    vector: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for DotEach<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (row, out) in self.rows.chunks_exact(self.vector.len().max(1)).zip(self.out) {
            *out = ordered(row, self.vector);
        }
    }
}

/// [`dot`], compiled for the instructions of its caller.
#[inline(always)]
pub(super) fn ordered(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        accumulate(a, b, &mut sums);
    }
    if !a_rest.is_empty() {
        accumulate(&filled(a_rest), &filled(b_rest), &mut sums);
    }
    let sums: [f32; 16] = std::array::from_fn(|lane| sums[lane] + sums[lane + 16]);
    let sums: [f32; 8] = std::array::from_fn(|lane| sums[lane] + sums[lane + 8]);
    let sums: [f32; 4] = std::array::from_fn(|lane| sums[lane] + sums[lane + 4]);
    (sums[0] + sums[2]) + (sums[1] + sums[3])
}

#[inline(always)]
fn accumulate(a: &[f32; LANES], b: &[f32; LANES], sums: &mut [f32; LANES]) {
    for lane in 0..LANES {
        sums[lane] += a[lane] * b[lane];
    }
}

/// The last numbers, with zeros behind them. The compiler makes no registers of the lanes if some
/// of them are treated differently.
#[inline(always)]
fn filled(rest: &[f32]) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = *value;
    }
    lanes
}
