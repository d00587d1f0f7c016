//! Centroids by k-means (Lloyd) of a sample.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index;

use crate::vectors::coder::{TOGETHER, assign, on_all_processors};
use crate::vectors::lists::{Centroids, MAX_LISTS};

/// Rows of a sample at most.
pub(super) const SAMPLE_ROWS: usize = 64 * 1024;

/// Times that centroids are moved.
const ROUNDS: usize = 8;

/// How many lists suit so many rows.
pub(super) fn lists_for(rows: usize) -> usize {
    ((1.5 * (rows as f64).sqrt()) as usize).clamp(1, MAX_LISTS)
}

/// Trains as many centroids of rotated vectors.
pub(super) fn train(sample: &[f32], padded: usize, lists: usize, rows: u32) -> Centroids {
    let count = sample.len() / padded;
    let mut random = StdRng::seed_from_u64(0);
    let first = index::sample(&mut random, count, lists.min(count));
    let row = |index: usize| sample.get(index * padded..(index + 1) * padded).unwrap_or_default();
    let values = first.into_iter().flat_map(row).copied().collect();
    let mut centroids = Centroids::new(padded, values, rows);
    for _ in 0..ROUNDS {
        let assigned = assign_all(sample, &centroids, padded);
        centroids = Centroids::new(padded, means(sample, &assigned, &centroids, padded), rows);
    }
    centroids
}

/// The list of each row, and the row's squared distance from its centroid but for its own square.
fn assign_all(sample: &[f32], centroids: &Centroids, padded: usize) -> Vec<(u16, f32)> {
    let mut assigned = vec![(0, 0.0); sample.len() / padded];
    let parts = sample.chunks(TOGETHER * padded).zip(assigned.chunks_mut(TOGETHER));
    on_all_processors(parts, |(part, assigned)| {
        assign(part, centroids, padded, |row, list, score| {
            if let Some(place) = assigned.get_mut(row) {
                *place = (list, -2.0 * score);
            }
        });
    });
    assigned
}

/// The mean of each list. A list without rows is given the row that is farthest from its centroid.
fn means(sample: &[f32], assigned: &[(u16, f32)], former: &Centroids, padded: usize) -> Vec<f32> {
    let mut sums = vec![0f32; former.len() * padded];
    let mut counts = vec![0u32; former.len()];
    for (row, (list, _)) in sample.chunks_exact(padded).zip(assigned) {
        let list = usize::from(*list);
        let sum = sums.get_mut(list * padded..(list + 1) * padded).unwrap_or_default();
        for (sum, value) in sum.iter_mut().zip(row) {
            *sum += value;
        }
        if let Some(count) = counts.get_mut(list) {
            *count += 1;
        }
    }
    let mut order: Vec<usize> = (0..assigned.len()).collect();
    order.sort_unstable_by(|a, b| {
        let distance = |row: &usize| assigned.get(*row).map_or(0.0, |(_, distance)| *distance);
        distance(b).total_cmp(&distance(a))
    });
    let mut farthest = order.into_iter();
    for (sum, count) in sums.chunks_exact_mut(padded).zip(counts) {
        if count > 0 {
            for value in sum {
                *value /= count as f32;
            }
        } else if let Some(row) = farthest.next() {
            sum.copy_from_slice(&sample[row * padded..(row + 1) * padded]);
        }
    }
    sums
}
