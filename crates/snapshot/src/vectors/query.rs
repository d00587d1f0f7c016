//! A query as small integers, and its products with codes.
//!
//! Codes and query lie so that each step works on whole registers of 16-bit lanes: lane `l` of a
//! group of lanes holds one dimension of each run of as many. Plain loops over arrays of lanes
//! become vector instructions on every processor.

use pulp::{Arch, Simd, WithSimd};

/// Lanes of a group: a register of AVX2.
pub(super) const LANES: usize = 16;

/// Lanes of the last group if the dimension is no multiple of 128.
pub(super) const LAST_LANES: usize = 8;

/// Dimensions that a lane holds, two bits each.
pub(super) const FIELDS: usize = 8;

/// Greatest integer of a query.
const TOP: i16 = 127;

/// Groups whose sums fit into a lane: 8 * 8 * 3 * 127 is less than 32,768.
const GROUPS: usize = 8;

/// Codes that are fetched before their products are computed, and the words of a cache line.
const FETCHED: usize = 32;
const LINE_WORDS: usize = 32;

/// A rotated query rounded to whole multiples of a step.
#[derive(Debug)]
pub(super) struct QueryCode {
    groups: Vec<[[i16; LANES]; FIELDS]>,
    last: [[i16; LAST_LANES]; FIELDS],
    width: usize,
    step: f32,
    sum: i32,
}

impl QueryCode {
    /// The code of a rotated query, whose length is a multiple of 64.
    pub(super) fn new(query: &[f32]) -> Self {
        let greatest = query.iter().fold(0f32, |greatest, value| greatest.max(value.abs()));
        let step = greatest / f32::from(TOP);
        let scale = if step > 0.0 { step.recip() } else { 0.0 };
        let numbers: Vec<i16> =
            query.iter().map(|value| ((value * scale).round() as i16).clamp(-TOP, TOP)).collect();
        let (groups, rest) = numbers.as_chunks::<{ LANES * FIELDS }>();
        let groups = groups.iter().map(|group| {
            let mut lanes = [[0; LANES]; FIELDS];
            lanes.as_flattened_mut().copy_from_slice(group);
            lanes
        });
        let mut last = [[0; LAST_LANES]; FIELDS];
        for (place, value) in last.as_flattened_mut().iter_mut().zip(rest) {
            *place = *value;
        }
        let sum = numbers.iter().map(|number| i32::from(*number)).sum();
        Self { groups: groups.collect(), last, width: query.len() / FIELDS, step, sum }
    }

    /// Words of a code.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// `<g, q>` of codes that lie one behind the other.
    pub(super) fn products(&self, codes: &[u16], out: &mut [f32]) {
        Arch::new().dispatch(Products { query: self, codes: codes.chunks_exact(self.width), out });
    }

    /// `<g, q>` of the codes at these places.
    pub(super) fn products_at(&self, codes: &[u16], places: &[u32], out: &mut [f32]) {
        let code = |place: &u32| {
            let from = *place as usize * self.width;
            codes.get(from..from + self.width).unwrap_or_default()
        };
        for (places, out) in places.chunks(FETCHED).zip(out.chunks_mut(FETCHED)) {
            let codes = places.iter().map(code);
            fetch(codes.clone());
            Arch::new().dispatch(Products { query: self, codes, out });
        }
    }

    #[inline(always)]
    fn product(&self, code: &[u16]) -> f32 {
        let (code, rest) = code.as_chunks::<LANES>();
        let mut sum = 0;
        for (code, query) in code.chunks(GROUPS).zip(self.groups.chunks(GROUPS)) {
            let mut lanes = [0; LANES];
            for (code, query) in code.iter().zip(query) {
                accumulate(code, query, &mut lanes);
            }
            sum += total(&lanes);
        }
        if let Some(rest) = rest.first_chunk::<LAST_LANES>() {
            let mut lanes = [0; LAST_LANES];
            accumulate(rest, &self.last, &mut lanes);
            sum += total(&lanes);
        }
        // g = 2 * level - 3.
        self.step * (2 * sum - 3 * self.sum) as f32
    }
}

struct Products<'a, I> {
    query: &'a QueryCode,
    codes: I,
    out: &'a mut [f32],
}

impl<'a, I: Iterator<Item = &'a [u16]>> WithSimd for Products<'_, I> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (code, out) in self.codes.zip(self.out) {
            *out = self.query.product(code);
        }
    }
}

/// Reads a word of each cache line of the codes. The processor waits for all of them at once, not
/// for one code after the other: that halves the time where codes lie apart.
fn fetch<'a>(codes: impl Iterator<Item = &'a [u16]>) {
    let words = codes.flat_map(|code| code.iter().step_by(LINE_WORDS).chain(code.last()));
    std::hint::black_box(words.fold(0, |all, word| all ^ word));
}

#[inline(always)]
fn accumulate<const N: usize>(code: &[u16; N], query: &[[i16; N]; FIELDS], sums: &mut [i16; N]) {
    // The compiler makes registers of the lanes only if their loop is the outer one.
    for lane in 0..N {
        for (field, query) in query.iter().enumerate() {
            let level = (code[lane] >> (2 * field) & 3) as i16;
            sums[lane] = sums[lane].wrapping_add(level.wrapping_mul(query[lane]));
        }
    }
}

#[inline(always)]
fn total<const N: usize>(lanes: &[i16; N]) -> i32 {
    lanes.iter().map(|lane| i32::from(*lane)).sum()
}
