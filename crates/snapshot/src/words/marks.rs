//! Which terms each picture holds, as bits by slot.

use std::cell::Cell;
use std::ops::{BitOr, BitOrAssign};

use super::score::{AskedTerm, TermWeights};
use super::shares::{ROUNDING, STEPS, Shares};
use super::source::{Numbering, TextSource};

/// Slots that are looked at together. Those without any mark are passed over.
const GROUP: usize = 64;

thread_local! {
    /// Marks of the former question of this thread: all 0.
    static FORMER: Cell<Vec<u64>> = const { Cell::new(Vec::new()) };
}

/// The terms of a question.
#[derive(Clone, Copy)]
pub(super) struct MarkedTerms<'a> {
    pub(super) terms: &'a [AskedTerm],
    pub(super) weights: &'a TermWeights,
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
    let groups = slots.div_ceil(GROUP);
    if asked.terms.len() > 8 {
        let mut masks = vec![[0_u64; GROUP]; groups];
        return Marks { masks: &mut masks, slots, allowed }.best(asked, sources, wanted);
    }
    let mut words = FORMER.take();
    words.resize(groups * GROUP / size_of::<u64>(), 0);
    let masks = bytemuck::cast_slice_mut::<_, u8>(&mut words).as_chunks_mut().0;
    let best = Marks { masks, slots, allowed }.best(asked, sources, wanted);
    words.fill(0);
    FORMER.set(words);
    best
}

/// The terms of a picture as bits.
trait Mask: Copy + Default + Eq + BitOr<Output = Self> + BitOrAssign {
    fn bit(term: usize) -> Self;

    fn share(self, shares: &Shares) -> u32;
}

impl Mask for u8 {
    fn bit(term: usize) -> Self {
        1_u8.checked_shl(term as u32).unwrap_or_default()
    }

    fn share(self, shares: &Shares) -> u32 {
        let [first, ..] = &shares.tables;
        first.get(usize::from(self)).copied().unwrap_or_default()
    }
}

impl Mask for u64 {
    fn bit(term: usize) -> Self {
        1_u64.checked_shl(term as u32).unwrap_or_default()
    }

    fn share(self, shares: &Shares) -> u32 {
        let bytes = shares.tables.iter().zip(self.to_le_bytes());
        bytes.filter_map(|(table, byte)| table.get(usize::from(byte))).sum()
    }
}

struct Marks<'a, M> {
    masks: &'a mut [[M; GROUP]],
    slots: usize,
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
        self.chosen(|mask| mask.share(&shares) >= least)
    }

    #[inline]
    fn mark<N: Numbering + ?Sized>(&mut self, source: TextSource<'_, N>, term: &str, bit: M) {
        let masks = self.masks.as_flattened_mut().get_mut(..self.slots).unwrap_or_default();
        source.each_slot(term, |slot| {
            if let Some(mask) = masks.get_mut(slot as usize) {
                *mask |= bit;
            }
        });
    }

    /// Groups with an allowed slot and a mark: the first slot, the masks, and which are allowed.
    fn groups(&self) -> impl Iterator<Item = (u32, &[M; GROUP], u64)> {
        let firsts = (0_u32..).map(|group| group * GROUP as u32);
        self.masks.iter().zip(firsts).zip(0_usize..).filter_map(|((masks, first), group)| {
            let allowed = match self.allowed {
                Some(allowed) => allowed.get(group).copied().unwrap_or_default(),
                None => u64::MAX,
            };
            let all = masks.iter().fold(M::default(), |all, mask| all | *mask);
            (allowed != 0 && all != M::default()).then_some((first, masks, allowed))
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
                let step = Shares::step(mask.share(shares));
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

/// A bit for each mask of a group.
#[inline]
fn bits<M: Mask>(masks: &[M; GROUP], is_set: impl Fn(M) -> bool) -> u64 {
    let mut bits = 0;
    for (masks, first) in masks.as_chunks::<8>().0.iter().zip((0..).step_by(8)) {
        let mut bytes = [0_u8; 8];
        for (byte, mask) in bytes.iter_mut().zip(masks) {
            *byte = u8::from(is_set(*mask));
        }
        // Bytes of 0 or 1 become bits: the product has byte i at bit 56 + i, and no other there.
        let bytes = u64::from_le_bytes(bytes);
        bits |= (bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56) << first;
    }
    bits
}

fn each_bit(first: u32, mut bits: u64, slots: &mut Vec<u32>) {
    while bits != 0 {
        slots.push(first + bits.trailing_zeros());
        bits &= bits - 1;
    }
}
