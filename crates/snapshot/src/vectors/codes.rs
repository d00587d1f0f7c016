//! Coded rows as columns.

use crate::vectors::encode::Factor;

/// Rows that are scanned together. All columns have one length.
#[derive(Clone, Debug, Default)]
pub(super) struct Codes {
    /// Packed levels, row by row.
    pub(super) codes: Vec<u16>,
    /// Scales of the codes' products.
    pub(super) factors: Vec<f32>,
    /// Whose vector a row is.
    pub(super) slots: Vec<u32>,
    /// Where the exact vector is in the file.
    pub(super) rows: Vec<u32>,
    /// The list whose centroid a row is relative to.
    pub(super) lists: Vec<u16>,
    /// At least the standard deviation of every row's error for a query of unit length.
    pub(super) error: f32,
    /// The same divided by the row's factor.
    pub(super) noise: f32,
}

impl Codes {
    pub(super) fn with_capacity(rows: usize, width: usize) -> Self {
        Self {
            codes: Vec::with_capacity(rows * width),
            factors: Vec::with_capacity(rows),
            slots: Vec::with_capacity(rows),
            rows: Vec::with_capacity(rows),
            lists: Vec::with_capacity(rows),
            error: 0.0,
            noise: 0.0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn push(&mut self, row: CodedRow<'_>) {
        self.codes.extend_from_slice(row.code);
        self.factors.push(row.factor.factor);
        self.slots.push(row.slot);
        self.rows.push(row.row);
        self.lists.push(row.list);
        self.widen(row.factor);
    }

    /// Makes the errors cover a row's.
    pub(super) fn widen(&mut self, factor: Factor) {
        self.noise = self.noise.max(factor.noise);
        self.error = self.error.max(factor.noise * factor.factor);
    }

    /// Makes the errors cover those of other codes.
    pub(super) fn cover(&mut self, other: &Self) {
        self.noise = self.noise.max(other.noise);
        self.error = self.error.max(other.error);
    }

    /// Appends row `index` of other codes; the errors are the caller's to widen.
    pub(super) fn copy(&mut self, from: &Self, index: usize, width: usize) {
        let facts = from.factors.get(index).zip(from.slots.get(index));
        let places = from.rows.get(index).zip(from.lists.get(index));
        let code = from.codes.get(index * width..(index + 1) * width);
        if let (Some(code), Some((factor, slot)), Some((row, list))) = (code, facts, places) {
            self.codes.extend_from_slice(code);
            self.factors.push(*factor);
            self.slots.push(*slot);
            self.rows.push(*row);
            self.lists.push(*list);
        }
    }

    /// Brings the rows into the order of their lists, in place.
    pub(super) fn order_by_list(&mut self, lists: usize, width: usize) {
        let mut next = vec![0u32; lists + 1];
        for list in &self.lists {
            if let Some(count) = next.get_mut(usize::from(*list) + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for next in &mut next {
            sum += *next;
            *next = sum;
        }
        let places = self.lists.iter().map(|list| {
            let place = next.get_mut(usize::from(*list));
            place.map_or(0, |place| std::mem::replace(place, *place + 1) as usize)
        });
        let mut places: Vec<usize> = places.collect();
        for index in 0..self.len() {
            while let Some(place) = places.get(index).copied().filter(|place| *place != index) {
                self.swap(index, place, width);
                places.swap(index, place);
            }
        }
    }

    fn swap(&mut self, a: usize, b: usize, width: usize) {
        for word in 0..width {
            self.codes.swap(a * width + word, b * width + word);
        }
        self.factors.swap(a, b);
        self.slots.swap(a, b);
        self.rows.swap(a, b);
        self.lists.swap(a, b);
    }

    pub(super) fn memory_bytes(&self) -> usize {
        2 * self.codes.capacity()
            + 4 * (self.factors.capacity() + self.slots.capacity() + self.rows.capacity())
            + 2 * self.lists.capacity()
    }
}

/// A row to append.
#[derive(Clone, Copy, Debug)]
pub(super) struct CodedRow<'a> {
    pub(super) code: &'a [u16],
    pub(super) factor: Factor,
    pub(super) slot: u32,
    pub(super) row: u32,
    pub(super) list: u16,
}
