//! Conditions on pictures. Each one keeps those members of a set that meet it, a column at a time.

use std::collections::HashSet;

use super::Pictures;
use super::chunk::{CHUNK, Chunk, NO_MOMENT, slots_of};
use crate::bits::Bits;

/// A column of moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MomentColumn {
    /// When a picture was taken.
    Taken,
    /// When its object was written.
    Modified,
}

impl Pictures {
    /// Keeps the pictures of which `test` is true for the values of two columns.
    fn retain<A: Copy, B: Copy>(
        &self,
        bits: &mut Bits,
        columns: impl Fn(&Chunk) -> (&[A], &[B]),
        test: impl Fn(A, B) -> bool,
    ) {
        let words = bits.words_mut().chunks_mut(CHUNK / 64);
        for (words, chunk) in words.zip(&self.chunks) {
            let (first, second) = columns(chunk);
            for (word, (first, second)) in
                words.iter_mut().zip(first.chunks(64).zip(second.chunks(64)))
            {
                if *word == 0 {
                    continue;
                }
                let mut met = 0;
                for (place, (a, b)) in first.iter().zip(second).enumerate() {
                    met |= u64::from(test(*a, *b)) << place;
                }
                *word &= met;
            }
        }
    }

    /// Keeps the pictures with a moment from `from` to before `before`, in microseconds.
    pub fn retain_moment(
        &self,
        bits: &mut Bits,
        column: MomentColumn,
        from: Option<i64>,
        before: Option<i64>,
    ) {
        let from = from.unwrap_or(NO_MOMENT + 1).max(NO_MOMENT + 1);
        let before = before.unwrap_or(i64::MAX);
        match column {
            MomentColumn::Taken => {
                self.retain(bits, |c| (&c.taken, &c.taken), |at, _| at >= from && at < before);
            }
            MomentColumn::Modified => {
                self.retain(
                    bits,
                    |c| (&c.modified, &c.modified),
                    |at, _| at >= from && at < before,
                );
            }
        }
    }

    /// Keeps the pictures that have no date.
    pub fn retain_undated(&self, bits: &mut Bits) {
        self.retain(bits, |c| (&c.taken, &c.taken), |at, _| at == NO_MOMENT);
    }

    /// Keeps the pictures whose width and height, in pixels, meet a condition.
    pub fn retain_shape(&self, bits: &mut Bits, test: impl Fn(u32, u32) -> bool) {
        self.retain(bits, |c| (&c.widths, &c.heights), test);
    }

    /// Keeps the pictures whose size in bytes meets a condition.
    pub fn retain_size(&self, bits: &mut Bits, test: impl Fn(u64) -> bool) {
        self.retain(bits, |c| (&c.sizes, &c.sizes), |size, _| test(size));
    }

    /// Keeps the pictures whose latitude and longitude meet a condition. Both are NaN where the
    /// place is unknown.
    pub fn retain_place(&self, bits: &mut Bits, test: impl Fn(f64, f64) -> bool) {
        self.retain(bits, |c| (&c.latitudes, &c.longitudes), test);
    }

    /// Keeps the pictures whose format meets a condition.
    pub fn retain_format(&self, bits: &mut Bits, test: impl Fn(&str) -> bool) {
        let met: Vec<bool> = self.formats.iter().map(|format| test(format)).collect();
        let is_met = |format: u16| met.get(usize::from(format)).copied().unwrap_or(false);
        self.retain(bits, |c| (&c.formats, &c.formats), |format, _| is_met(format));
    }

    /// The pictures whose keys begin with `prefix`.
    pub fn with_prefix(&self, prefix: &str) -> Bits {
        let mut bits = Bits::none(self.len());
        let words = bits.words_mut().chunks_mut(CHUNK / 64);
        for (words, chunk) in words.zip(&self.chunks) {
            chunk.with_prefix(prefix.as_bytes(), |place| {
                if let Some(word) = words.get_mut(place / 64) {
                    *word |= 1 << (place % 64);
                }
            });
        }
        bits
    }

    /// The slots of all pictures with one of these hashes of their bytes.
    pub fn with_content(&self, contents: &HashSet<u64>) -> Vec<u32> {
        let mut slots = Vec::new();
        for (number, chunk) in self.chunks.iter().enumerate() {
            let begin = slots_of(number, chunk.len()).start;
            for (place, content) in chunk.contents.iter().enumerate() {
                if contents.contains(content) {
                    slots.push((begin + place) as u32);
                }
            }
        }
        slots
    }
}
