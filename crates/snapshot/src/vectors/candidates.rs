//! The rows that may be among the nearest, by their estimates, and which of them are.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::vectors::asked::Estimate;
use crate::vectors::codes::Codes;
use crate::vectors::exact::{Near, best_first};
use crate::vectors::file::{Damaged, VectorFile};
use crate::vectors::products::dot;

/// A row is kept while its estimate is at most so many standard deviations below the last wanted.
const KEPT_DEVIATIONS: f32 = 4.0;

/// A row is read while its estimate is at most so many standard deviations below the exact cosine
/// of the last wanted: one in fifty of those near that cosine is missed.
const READ_DEVIATIONS: f32 = 2.0;

/// Rows read for a search at most, and four for each one wanted.
const READ_ROWS: usize = 1024;

/// Candidates of one search.
#[derive(Debug)]
pub(super) struct ExactCandidates {
    wanted: usize,
    noise: f32,
    /// Orders of the greatest estimates, as many as are wanted.
    best: BinaryHeap<Reverse<i32>>,
    kept: Vec<EstimatedRow>,
    /// The least of the greatest estimates.
    floor: f32,
}

#[derive(Clone, Copy, Debug)]
struct EstimatedRow {
    estimate: f32,
    deviation: f32,
    slot: u32,
    row: u32,
}

impl ExactCandidates {
    /// `noise` times a row's factor is the standard deviation of its estimate.
    pub(super) fn new(wanted: usize, noise: f32) -> Self {
        Self { wanted, noise, best: BinaryHeap::new(), kept: Vec::new(), floor: f32::NEG_INFINITY }
    }

    /// How many are wanted.
    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    /// The last wanted estimate; -∞ while there are fewer.
    pub(super) fn floor(&self) -> f32 {
        self.floor
    }

    /// Adds a row if it may be among the nearest and is alive.
    #[inline(always)]
    pub(super) fn consider(
        &mut self,
        codes: &Codes,
        estimate: &Estimate,
        is_alive: impl FnOnce(u32, usize) -> bool,
    ) {
        let most = estimate.cosine + KEPT_DEVIATIONS * self.noise * estimate.factor;
        if most >= self.floor
            && let Some(slot) = codes.slots.get(estimate.index)
            && let Some(row) = codes.rows.get(estimate.index)
            && is_alive(*slot, estimate.index)
        {
            self.add(estimate, *slot, *row);
        }
    }

    fn add(&mut self, estimate: &Estimate, slot: u32, row: u32) {
        let deviation = self.noise * estimate.factor;
        self.kept.push(EstimatedRow { estimate: estimate.cosine, deviation, slot, row });
        if self.best.len() < self.wanted || estimate.cosine > self.floor {
            self.best.push(Reverse(order(estimate.cosine)));
            if self.best.len() > self.wanted {
                self.best.pop();
            }
            if let (true, Some(least)) = (self.best.len() == self.wanted, self.best.peek()) {
                self.floor = value(least.0);
            }
        }
        if self.kept.len() >= 4 * self.most_read() {
            self.keep(KEPT_DEVIATIONS, self.floor, 2 * self.most_read());
        }
    }

    fn most_read(&self) -> usize {
        READ_ROWS + 4 * self.wanted
    }

    /// Keeps those that may reach a cosine, and of these the best.
    fn keep(&mut self, deviations: f32, floor: f32, most: usize) {
        self.kept.retain(|row| row.estimate + deviations * row.deviation >= floor);
        if self.kept.len() > most {
            self.kept.select_nth_unstable_by(most, better_first);
            self.kept.truncate(most);
        }
    }

    /// Reads the vectors that matter, and returns the nearest with their exact cosines.
    pub(super) fn nearest(
        mut self,
        file: &VectorFile,
        query: &[f32],
    ) -> Result<Vec<Near>, Damaged> {
        let first = self.wanted.max(32);
        let mut near = Vec::new();
        if self.kept.len() > first {
            self.kept.select_nth_unstable_by(first, better_first);
            let rest = self.kept.split_off(first);
            read(file, query, &mut self.kept, &mut near)?;
            near.sort_unstable_by(best_first);
            let floor = near.get(self.wanted - 1).map_or(f32::NEG_INFINITY, |near| near.cosine);
            self.kept = rest;
            self.keep(READ_DEVIATIONS, floor, self.most_read());
        }
        read(file, query, &mut self.kept, &mut near)?;
        near.sort_unstable_by(best_first);
        near.truncate(self.wanted);
        Ok(near)
    }
}

/// The greater estimate first, then the smaller slot.
fn better_first(a: &EstimatedRow, b: &EstimatedRow) -> Ordering {
    b.estimate.total_cmp(&a.estimate).then(a.slot.cmp(&b.slot))
}

fn read(
    file: &VectorFile,
    query: &[f32],
    rows: &mut [EstimatedRow],
    near: &mut Vec<Near>,
) -> Result<(), Damaged> {
    rows.sort_unstable_by_key(|row| row.row);
    let places: Vec<u32> = rows.iter().map(|row| row.row).collect();
    file.read_each(&places, |index, vector| {
        if let Some(row) = rows.get(index) {
            near.push(Near { slot: row.slot, cosine: dot(query, vector) });
        }
    })
}

/// Integers in the order of the numbers.
fn order(value: f32) -> i32 {
    let bits = value.to_bits() as i32;
    bits ^ (((bits >> 31) as u32) >> 1) as i32
}

fn value(order: i32) -> f32 {
    f32::from_bits((order ^ (((order >> 31) as u32) >> 1) as i32) as u32)
}
