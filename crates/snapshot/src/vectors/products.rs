//! Inner products of f32 vectors, in one order of summation whatever the processor.

use pulp::Arch;

/// As many sums run side by side: four registers of AVX2, eight of NEON.
const LANES: usize = 32;

/// The inner product of two vectors of one length: the cosine, if both are of unit length.
///
/// The order of summation is fixed and multiplications are not fused with additions, so the same
/// vectors give the same bits on every processor.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    Arch::new().dispatch(|| ordered(a, b))
}

/// `out[i]` is the product of `vector` and the `i`th row of `rows`, which has its length.
pub(super) fn dot_each(rows: &[f32], vector: &[f32], out: &mut [f32]) {
    Arch::new().dispatch(|| {
        for (row, out) in rows.chunks_exact(vector.len().max(1)).zip(out) {
            *out = ordered(row, vector);
        }
    });
}

/// [`dot`] of the rows read one behind the other, with `each` told index and product.
#[inline(always)]
pub(super) fn ordered(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    for (sum, (a, b)) in sums.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *sum += a * b;
    }
    for width in [16, 8, 4, 2, 1] {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
    }
    sums[0]
}
