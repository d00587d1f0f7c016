//! Vectors to codes: rotation, nearest centroid, code of the residual.

use std::sync::Mutex;
use std::sync::PoisonError;

use ndarray::{ArrayView2, linalg};
use pulp::{Arch, Simd, WithSimd};

use crate::vectors::encode::{self, Factor};
use crate::vectors::lists::Centroids;
use crate::vectors::rotation::Rotation;

/// Vectors whose products with all centroids are computed at once.
pub(super) const TOGETHER: usize = 512;

/// Everything that makes codes comparable.
#[derive(Debug)]
pub(super) struct Coder {
    pub(super) rotation: Rotation,
    pub(super) centroids: Centroids,
}

/// Codes, one for each vector.
#[derive(Debug)]
pub(super) struct Coded {
    pub(super) codes: Vec<u16>,
    pub(super) factors: Vec<Factor>,
    pub(super) lists: Vec<u16>,
}

impl Coder {
    pub(super) fn untrained(dim: usize) -> Self {
        let rotation = Rotation::new(dim);
        let centroids = Centroids::untrained(rotation.padded());
        Self { rotation, centroids }
    }

    pub(super) fn padded(&self) -> usize {
        self.rotation.padded()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.rotation.memory_bytes() + self.centroids.memory_bytes()
    }

    /// Codes vectors that lie one behind the other, many of them on all processors.
    pub(super) fn encode(&self, vectors: &[f32]) -> Coded {
        let dim = self.rotation.dim();
        let rows = vectors.len() / dim;
        let width = encode::width(self.padded());
        let mut coded = Coded {
            codes: vec![0; rows * width],
            factors: vec![Factor::default(); rows],
            lists: vec![0; rows],
        };
        let parts = vectors.chunks(TOGETHER * dim);
        let codes = coded.codes.chunks_mut(TOGETHER * width);
        let facts = coded.factors.chunks_mut(TOGETHER).zip(coded.lists.chunks_mut(TOGETHER));
        on_all_processors(parts.zip(codes).zip(facts), |((part, codes), (factors, lists))| {
            self.encode_block(part, codes, factors, lists);
        });
        coded
    }

    /// Codes some vectors on this thread.
    pub(super) fn encode_block(
        &self,
        vectors: &[f32],
        codes: &mut [u16],
        factors: &mut [Factor],
        lists: &mut [u16],
    ) {
        let (dim, padded) = (self.rotation.dim(), self.padded());
        let mut rotated = vec![0.0; lists.len() * padded];
        for (vector, out) in vectors.chunks_exact(dim).zip(rotated.chunks_exact_mut(padded)) {
            self.rotation.rotate(vector, out);
        }
        self.assign(&rotated, lists);
        let width = encode::width(padded);
        let rows = rotated.chunks_exact_mut(padded).zip(codes.chunks_exact_mut(width));
        for (((rotated, code), factor), list) in rows.zip(factors).zip(lists) {
            let centroid = self.centroids.get(*list);
            *factor = Arch::new().dispatch(Encode { rotated, centroid, code });
        }
    }

    /// The list of each of some rotated vectors.
    pub(super) fn assign(&self, rotated: &[f32], lists: &mut [u16]) {
        if self.centroids.len() < 2 {
            lists.fill(0);
            return;
        }
        assign(rotated, &self.centroids, self.padded(), |row, list, _| {
            if let Some(place) = lists.get_mut(row) {
                *place = list;
            }
        });
    }
}

/// Codes a rotated vector relative to a centroid. Leaves the residual in its place.
struct Encode<'a> {
    rotated: &'a mut [f32],
    centroid: &'a [f32],
    code: &'a mut [u16],
}

impl WithSimd for Encode<'_> {
    type Output = Factor;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Factor {
        for (value, centre) in self.rotated.iter_mut().zip(self.centroid) {
            *value -= centre;
        }
        encode::encode(self.rotated, self.code)
    }
}

/// Tells `each` the row, its nearest centroid, and product minus half the centroid's square.
pub(super) fn assign(
    rotated: &[f32],
    centroids: &Centroids,
    padded: usize,
    mut each: impl FnMut(usize, u16, f32),
) {
    let lists = centroids.len();
    let mut products = vec![0.0; (rotated.len() / padded).min(TOGETHER) * lists];
    for (part, rows) in rotated.chunks(TOGETHER * padded).enumerate() {
        let count = rows.len() / padded;
        let used = products.get_mut(..count * lists).unwrap_or_default();
        multiply(rows, centroids.values(), padded, used);
        for (index, products) in used.chunks_exact(lists).enumerate() {
            let (list, score) = centroids.nearest(products);
            each(part * TOGETHER + index, list, score);
        }
    }
}

/// `out[i][j]` is the product of row `i` of `a` and row `j` of `b`.
fn multiply(a: &[f32], b: &[f32], width: usize, out: &mut [f32]) {
    let (rows, columns) = (a.len() / width, b.len() / width);
    let a = ArrayView2::from_shape((rows, width), a);
    let b = ArrayView2::from_shape((columns, width), b);
    let out = ndarray::ArrayViewMut2::from_shape((rows, columns), out);
    // All three fit: the lengths are multiples of the widths.
    if let (Ok(a), Ok(b), Ok(mut out)) = (a, b, out) {
        linalg::general_mat_mul(1.0, &a, &b.t(), 0.0, &mut out);
    }
}

/// Does each piece of work once, on as many threads as there are processors and pieces.
pub(super) fn on_all_processors<T: Send>(
    work: impl Iterator<Item = T> + Send,
    each: impl Fn(T) + Sync,
) {
    let mut work = work.peekable();
    let Some(first) = work.next() else { return };
    if work.peek().is_none() {
        return each(first);
    }
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    let work = Mutex::new(std::iter::once(first).chain(work));
    let next = || work.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        while let Some(piece) = next() {
            each(piece);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Without another thread this one does all the work.
            let _ = std::thread::Builder::new().spawn_scoped(scope, run);
        }
        run();
    });
}
