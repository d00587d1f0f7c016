//! Centroids by k-means (Lloyd) of a sample.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index;

use crate::vectors::coder::{TOGETHER, assign, on_all_processors};
use crate::vectors::lists::{Centroids, MAX_LISTS};
use crate::vectors::products::dot;

/// Rows of a sample at most, and its bytes: as much as the codes of a million rows.
const SAMPLE_ROWS: usize = 64 * 1024;
const SAMPLE_BYTES: usize = 128 << 20;

/// Rows of a sample for each list at least.
const ROWS_PER_LIST: usize = 16;

/// Times that centroids are moved.
const ROUNDS: usize = 8;

/// Rounds at the end that only move centroids.
const SETTLED: usize = 3;

/// A list has few rows if it has less than the mean divided by this.
const FEW: u32 = 2;

/// How far the halves of a list that is split are from its mean, in parts of a row's distance.
const SPLIT: f32 = 0.2;

/// How many of so many rows are a sample.
pub(super) fn sample_rows(rows: usize, padded: usize) -> usize {
    rows.min(SAMPLE_ROWS).min(SAMPLE_BYTES / (4 * padded))
}

/// How many lists suit so many rows.
pub(super) fn lists_for(rows: usize, padded: usize) -> usize {
    let most = MAX_LISTS.min(sample_rows(rows, padded) / ROWS_PER_LIST);
    ((1.5 * (rows as f64).sqrt()) as usize).min(most).max(1)
}

/// Trains as many centroids of rotated vectors.
pub(super) fn train(sample: &[f32], padded: usize, lists: usize, rows: u32) -> Centroids {
    let count = sample.len() / padded;
    let mut random = StdRng::seed_from_u64(0);
    let first = index::sample(&mut random, count, lists.min(count));
    let row = |index: usize| sample.get(index * padded..(index + 1) * padded).unwrap_or_default();
    let values = first.into_iter().flat_map(row).copied().collect();
    let mut centroids = Centroids::new(padded, values, rows);
    for round in 0..ROUNDS {
        let assigned = assign_all(sample, &centroids, padded);
        let mut lists = Means::of(sample, &assigned, centroids.len(), padded);
        if round + SETTLED < ROUNDS {
            lists.split_worst(sample);
        }
        centroids = Centroids::new(padded, lists.values, rows);
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

/// The means of lists, and how well they stand for their rows.
struct Means {
    padded: usize,
    values: Vec<f32>,
    counts: Vec<u32>,
    /// Sums of squared distances.
    errors: Vec<f32>,
    /// One row of each list, at random.
    members: Vec<usize>,
}

impl Means {
    fn of(sample: &[f32], assigned: &[(u16, f32)], lists: usize, padded: usize) -> Self {
        let mut this = Self {
            padded,
            values: vec![0.0; lists * padded],
            counts: vec![0; lists],
            errors: vec![0.0; lists],
            members: vec![0; lists],
        };
        for (index, (row, (list, distance))) in
            sample.chunks_exact(padded).zip(assigned).enumerate()
        {
            let list = usize::from(*list);
            let facts = this.counts.get_mut(list).zip(this.errors.get_mut(list));
            let (Some((count, error)), Some(member)) = (facts, this.members.get_mut(list)) else {
                continue;
            };
            let values = this.values.get_mut(list * padded..(list + 1) * padded);
            for (sum, value) in values.unwrap_or_default().iter_mut().zip(row) {
                *sum += value;
            }
            *count += 1;
            *error += dot(row, row) + distance;
            *member = index;
        }
        for (values, count) in this.values.chunks_exact_mut(padded).zip(&this.counts) {
            for value in values {
                *value /= (*count).max(1) as f32;
            }
        }
        this
    }

    /// Gives up the lists with few rows, and splits for each one of those with the greatest errors:
    /// across the direction of one of its rows, so that both halves go on from near the mean.
    fn split_worst(&mut self, sample: &[f32]) {
        let mean = self.counts.iter().sum::<u32>() / self.counts.len().max(1) as u32;
        let few = self.counts.iter().enumerate().filter(|(_, count)| **count < mean / FEW);
        let few: Vec<usize> = few.map(|(list, _)| list).collect();
        let mut worst: Vec<usize> = (0..self.counts.len()).collect();
        let error = |list: usize| self.errors.get(list).copied().unwrap_or_default();
        worst.sort_unstable_by(|a, b| error(*b).total_cmp(&error(*a)));
        let padded = self.padded;
        for (list, worst) in few.into_iter().zip(worst) {
            let Some(member) = self.members.get(worst) else { continue };
            let row = sample.get(member * padded..(member + 1) * padded).unwrap_or_default();
            for (index, value) in row.iter().enumerate() {
                let Some(mean) = self.values.get_mut(worst * padded + index) else { break };
                let step = SPLIT * (value - *mean);
                let other = *mean + step;
                *mean -= step;
                if let Some(place) = self.values.get_mut(list * padded + index) {
                    *place = other;
                }
            }
        }
    }
}
