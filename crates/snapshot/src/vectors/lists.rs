//! Centroids, and the rows that lie list by list.

use crate::vectors::codes::Codes;
use crate::vectors::products::dot_each;

/// Greatest number of lists.
pub(super) const MAX_LISTS: usize = 8192;

/// Rotated centroids. Before any training there is one, at the origin.
#[derive(Debug)]
pub(super) struct Centroids {
    padded: usize,
    values: Vec<f32>,
    /// Half the squared length of each.
    halves: Vec<f32>,
    /// How many rows there were when they were trained; 0 before.
    pub(super) trained_rows: u32,
}

impl Centroids {
    /// One centroid at the origin.
    pub(super) fn untrained(padded: usize) -> Self {
        Self::new(padded, vec![0.0; padded], 0)
    }

    pub(super) fn new(padded: usize, values: Vec<f32>, trained_rows: u32) -> Self {
        let halves = values
            .chunks_exact(padded)
            .map(|centroid| crate::vectors::products::dot(centroid, centroid) / 2.0)
            .collect();
        Self { padded, values, halves, trained_rows }
    }

    pub(super) fn len(&self) -> usize {
        self.halves.len()
    }

    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    pub(super) fn get(&self, list: u16) -> &[f32] {
        let from = usize::from(list) * self.padded;
        self.values.get(from..from + self.padded).unwrap_or_default()
    }

    /// The product of each centroid with a rotated query.
    pub(super) fn products(&self, query: &[f32]) -> Vec<f32> {
        let mut products = vec![0.0; self.len()];
        dot_each(&self.values, query, &mut products);
        products
    }

    /// Product minus half the centroid's square, for each: the nearer, the greater.
    pub(super) fn scores(&self, products: &[f32]) -> impl Iterator<Item = f32> {
        products.iter().zip(&self.halves).map(|(product, half)| product - half)
    }

    /// The list whose centroid is nearest, given the products with each, and its score.
    pub(super) fn nearest(&self, products: &[f32]) -> (u16, f32) {
        let mut best = (0, f32::NEG_INFINITY);
        for (list, score) in (0..).zip(self.scores(products)) {
            if score > best.1 {
                best = (list, score);
            }
        }
        best
    }

    pub(super) fn memory_bytes(&self) -> usize {
        4 * (self.values.capacity() + self.halves.capacity())
    }
}

/// Rows ordered by list.
#[derive(Debug, Default)]
pub(super) struct ListedRows {
    pub(super) codes: Codes,
    /// Row `starts[l]` is the first of list `l`; one more than there are lists.
    pub(super) starts: Vec<u32>,
    /// The root of the mean square of the factors of a list's rows.
    pub(super) spreads: Vec<f32>,
}

impl ListedRows {
    /// `codes` are in the order of their lists.
    pub(super) fn new(codes: Codes, lists: usize) -> Self {
        let mut starts = vec![0u32; lists + 1];
        for list in &codes.lists {
            if let Some(start) = starts.get_mut(usize::from(*list) + 1) {
                *start += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut rows = Self { codes, starts, spreads: Vec::new() };
        rows.spreads = (0..lists)
            .map(|list| {
                let factors = rows.codes.factors.get(rows.range(list)).unwrap_or_default();
                let squares: f32 = factors.iter().map(|factor| factor * factor).sum();
                (squares / factors.len().max(1) as f32).sqrt()
            })
            .collect();
        rows
    }

    /// The rows of a list.
    pub(super) fn range(&self, list: usize) -> std::ops::Range<usize> {
        match (self.starts.get(list), self.starts.get(list + 1)) {
            (Some(start), Some(end)) => *start as usize..*end as usize,
            _ => 0..0,
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.codes.memory_bytes() + 4 * (self.starts.capacity() + self.spreads.capacity())
    }
}
