//! Which terms each picture holds, as bits by slot.

use std::cell::Cell;
use std::ops::{BitOr, BitOrAssign};

use super::score::{AskedTerm, Weights};
use super::source::{Numbering, TextSource};

/// Slots that are looked at together. Those without any mark are passed over.
const GROUP: usize = 64;

/// Shares are compared as whole numbers, so that equal ones are equal in any order of adding.
const WHOLE: f64 = (1 << 20) as f64;

/// Pictures are counted in this many steps of the share.
const STEPS: usize = 1 << 10;

/// Rounding of the shares of 64 terms together is less than this.
const ROUNDING: u32 = 64;

thread_local! {
    /// Marks of the former question of this thread: all 0.
    static FORMER: Cell<Vec<u64>> = const { Cell::new(Vec::new()) };
}

/// The terms of a question.
#[derive(Clone, Copy)]
pub(super) struct MarkedTerms<'a> {
    pub(super) terms: &'a [AskedTerm],
    pub(super) weights: &'a Weights,
    /// So many pictures are no longer marked, but compared one by one.
    pub(super) few: usize,
}

/// Slots among which the `wanted` best pictures are, ascending, with few others.
pub(super) fn candidates<K: Numbering + ?Sized, C: Numbering + ?Sized>(
    asked: MarkedTerms<'_>,
    sources: (TextSource<'_, K>, TextSource<'_, C>),
    slots: u32,
    allowed: Option<&[u64]>,
    wanted: usize,
) -> Vec<u32> {
    let slots = slots as usize;
    if asked.terms.len() > 8 {
        let masks = &mut *vec![0_u64; slots];
        return Marks { masks, allowed }.best(asked, sources, wanted);
    }
    let mut words = FORMER.take();
    words.resize(slots.div_ceil(8), 0);
    let masks: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
    let masks = masks.get_mut(..slots).unwrap_or_default();
    let best = Marks { masks, allowed }.best(asked, sources, wanted);
    words.fill(0);
    FORMER.set(words);
    best
}

/// The bits of a picture.
trait Mask: Copy + Default + Eq + BitOr<Output = Self> + BitOrAssign + Into<u64> {
    fn bit(term: usize) -> Self;
}

impl Mask for u8 {
    fn bit(term: usize) -> Self {
        1_u8.checked_shl(term as u32).unwrap_or_default()
    }
}

impl Mask for u64 {
    fn bit(term: usize) -> Self {
        1_u64.checked_shl(term as u32).unwrap_or_default()
    }
}

struct Marks<'a, M> {
    masks: &'a mut [M],
    allowed: Option<&'a [u64]>,
}

impl<M: Mask> Marks<'_, M> {
    fn best<K: Numbering + ?Sized, C: Numbering + ?Sized>(
        &mut self,
        asked: MarkedTerms<'_>,
        sources: (TextSource<'_, K>, TextSource<'_, C>),
        wanted: usize,
    ) -> Vec<u32> {
        let mut order: Vec<_> = (0..asked.terms.len()).collect();
        order.sort_by(|one, other| asked.weights.at(*other).total_cmp(&asked.weights.at(*one)));
        for (term, done) in order.iter().zip(1..) {
            let Some(AskedTerm { term: text, .. }) = asked.terms.get(*term) else { continue };
            self.mark(sources.0, text, M::bit(*term));
            self.mark(sources.1, text, M::bit(*term));
            let later = asked.weights.share(order.iter().skip(done).copied());
            // Each marked picture holds this term or a rarer one, which is more than a picture
            // can hold that has no mark yet.
            if done < order.len()
                && asked.weights.share([*term]) > later + 1e-6
                && let Some(marked) = self.few_marked(asked.few)
                && marked.len() >= wanted
            {
                return marked;
            }
        }
        let all = order.iter().fold(M::default(), |all, term| all | M::bit(*term));
        if self.count_of(all, wanted) >= wanted {
            return self.chosen(|mask| mask == all);
        }
        let shares = Shares::of(asked.weights);
        let least = self.least_share(&shares, wanted);
        self.chosen(|mask| shares.of_mask(mask.into()) >= least)
    }

    #[inline]
    fn mark<N: Numbering + ?Sized>(&mut self, source: TextSource<'_, N>, term: &str, bit: M) {
        source.each_slot(term, |slot| {
            if let Some(mask) = self.masks.get_mut(slot as usize) {
                *mask |= bit;
            }
        });
    }

    /// Masks of 64 slots with a mark each: the first slot, the masks, and which are allowed.
    fn groups(&self) -> impl Iterator<Item = (u32, &[M], u64)> {
        let groups = self.masks.chunks(GROUP).zip(0_u32..);
        groups.filter_map(|(masks, group)| {
            let allowed = match self.allowed {
                Some(allowed) => allowed.get(group as usize).copied().unwrap_or_default(),
                None => u64::MAX,
            };
            let is_marked = allowed != 0
                && masks.iter().fold(M::default(), |all, mask| all | *mask) != M::default();
            is_marked.then_some((group * GROUP as u32, masks, allowed))
        })
    }

    /// The slots with marks, ascending; `None` if they are more.
    fn few_marked(&self, most: usize) -> Option<Vec<u32>> {
        let mut slots = Vec::new();
        for (first, masks, allowed) in self.groups() {
            each_bit(first, allowed & bits(masks, |mask| mask != M::default()), &mut slots);
            if slots.len() > most {
                return None;
            }
        }
        Some(slots)
    }

    /// The slots with marks that are chosen, ascending.
    fn chosen(&self, is_chosen: impl Fn(M) -> bool) -> Vec<u32> {
        let mut slots = Vec::new();
        for (first, masks, allowed) in self.groups() {
            let chosen = bits(masks, |mask| mask != M::default() && is_chosen(mask));
            each_bit(first, allowed & chosen, &mut slots);
        }
        slots
    }

    /// How many slots have this mask, if fewer than `enough`.
    fn count_of(&self, wanted: M, enough: usize) -> usize {
        let mut count = 0;
        for (_, masks, allowed) in self.groups() {
            count += (allowed & bits(masks, |mask| mask == wanted)).count_ones() as usize;
            if count >= enough {
                break;
            }
        }
        count
    }

    /// Hardly less than the `wanted`th greatest share.
    fn least_share(&self, shares: &Shares, wanted: usize) -> u32 {
        let mut counts = [0_usize; STEPS + 1];
        for (_, masks, allowed) in self.groups() {
            for (mask, at) in masks.iter().zip(0_u32..) {
                let step = Shares::step(shares.of_mask((*mask).into()));
                if let Some(count) = counts.get_mut(step) {
                    *count += (allowed >> at & 1) as usize;
                }
            }
        }
        let mut better = 0;
        // Slots without a mark are counted with the least share, which does no harm.
        for (step, count) in counts.iter().enumerate().rev() {
            better += count;
            if better >= wanted {
                return Shares::least_of(step).saturating_sub(ROUNDING);
            }
        }
        0
    }
}

/// A bit for each of 64 masks or fewer.
#[inline]
fn bits<M: Mask>(masks: &[M], is_set: impl Fn(M) -> bool) -> u64 {
    masks.iter().rev().fold(0, |bits, mask| bits << 1 | u64::from(is_set(*mask)))
}

fn each_bit(first: u32, mut bits: u64, slots: &mut Vec<u32>) {
    while bits != 0 {
        slots.push(first + bits.trailing_zeros());
        bits &= bits - 1;
    }
}

/// The share of each mask, of [`WHOLE`].
struct Shares {
    /// For each byte of a mask the shares of its values.
    tables: Vec<[u32; 256]>,
}

impl Shares {
    fn of(weights: &Weights) -> Self {
        let tables = (0..weights.len().div_ceil(8)).map(|byte| {
            let share = |bit: usize| (weights.share([byte * 8 + bit]) * WHOLE).round() as u32;
            let shares: [u32; 8] = std::array::from_fn(share);
            std::array::from_fn(|value| {
                let held = shares.iter().enumerate().filter(|(bit, _)| value >> bit & 1 == 1);
                held.map(|(_, share)| share).sum()
            })
        });
        Self { tables: tables.collect() }
    }

    #[inline]
    fn of_mask(&self, mask: u64) -> u32 {
        let tables = self.tables.iter().zip(mask.to_le_bytes());
        tables.filter_map(|(table, byte)| table.get(usize::from(byte))).sum()
    }

    fn step(share: u32) -> usize {
        (share as usize / (WHOLE as usize / STEPS)).min(STEPS)
    }

    fn least_of(step: usize) -> u32 {
        (step * (WHOLE as usize / STEPS)) as u32
    }
}
