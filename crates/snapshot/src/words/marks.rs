//! Which terms each picture holds, as bits by slot.

use std::cell::Cell;

use super::score::{AskedTerm, Weights};
use super::source::{Numbering, TextSource};

/// Slots that are looked at together. Blocks without any mark are passed over.
const BLOCK: usize = 512;

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
        let mut words = vec![0; slots];
        return Marks::<u64>::new(&mut words, slots, allowed).best(asked, sources, wanted);
    }
    let mut words = FORMER.take();
    words.resize(slots.div_ceil(8), 0);
    let mut marks = Marks::<u8>::new(bytemuck::cast_slice_mut(&mut words), slots, allowed);
    let best = marks.best(asked, sources, wanted);
    marks.clear();
    FORMER.set(words);
    best
}

/// The bits of a picture.
trait Mask: Copy + Default + Eq + std::ops::BitOrAssign + Into<u64> {
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
    /// Whether a slot of a block may have a mark.
    touched: Vec<bool>,
}

impl<'a, M: Mask> Marks<'a, M> {
    /// `masks` must be 0.
    fn new(masks: &'a mut [M], slots: usize, allowed: Option<&'a [u64]>) -> Self {
        let touched = vec![false; slots.div_ceil(BLOCK)];
        let masks = masks.get_mut(..slots).unwrap_or_default();
        Self { masks, allowed, touched }
    }

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
            let later = order.iter().skip(done).copied();
            // Each marked picture holds this term or a rarer one, which is more than a picture
            // can hold that has no mark yet.
            if done < order.len()
                && asked.weights.share([*term]) > asked.weights.share(later) + 1e-6
            {
                let marked = self.first(asked.few + 1);
                if (wanted..=asked.few).contains(&marked.len()) {
                    return marked;
                }
            }
        }
        self.chosen(&Shares::of(asked.weights), wanted)
    }

    #[inline]
    fn mark<N: Numbering + ?Sized>(&mut self, source: TextSource<'_, N>, term: &str, bit: M) {
        source.each_slot(term, |slot| {
            let slot = slot as usize;
            if let (Some(mask), Some(touched)) =
                (self.masks.get_mut(slot), self.touched.get_mut(slot / BLOCK))
            {
                *mask |= bit;
                *touched = true;
            }
        });
    }

    /// Each allowed slot with a mark, ascending.
    #[inline]
    fn each(&self, mut each: impl FnMut(u32, M)) {
        let blocks = self.masks.chunks(BLOCK).zip((0_u32..).step_by(BLOCK));
        for ((masks, first), _) in blocks.zip(&self.touched).filter(|(_, touched)| **touched) {
            for (masks, first) in masks.chunks(64).zip((first..).step_by(64)) {
                let allowed = match self.allowed {
                    Some(allowed) => allowed.get(first as usize / 64).copied().unwrap_or_default(),
                    None => u64::MAX,
                };
                if allowed == 0 {
                    continue;
                }
                for (mask, at) in masks.iter().zip(0_u32..) {
                    if *mask != M::default() && allowed >> at & 1 == 1 {
                        each(first + at, *mask);
                    }
                }
            }
        }
    }

    /// The first so many slots with a mark.
    fn first(&self, most: usize) -> Vec<u32> {
        let mut slots = Vec::new();
        self.each(|slot, _| {
            if slots.len() < most {
                slots.push(slot);
            }
        });
        slots
    }

    /// The slots with the `wanted` greatest shares, and those whose share is hardly less.
    fn chosen(&self, shares: &Shares, wanted: usize) -> Vec<u32> {
        let mut counts = [0_usize; STEPS + 1];
        self.each(|_, mask| {
            if let Some(count) = counts.get_mut(Shares::step(shares.of_mask(mask.into()))) {
                *count += 1;
            }
        });
        let mut better = 0;
        let mut least = 0;
        for (step, count) in counts.iter().enumerate().rev() {
            better += count;
            if better >= wanted {
                least = Shares::least_of(step).saturating_sub(ROUNDING);
                break;
            }
        }
        let mut slots = Vec::new();
        self.each(|slot, mask| {
            if shares.of_mask(mask.into()) >= least {
                slots.push(slot);
            }
        });
        slots
    }

    /// Sets all masks to 0 again.
    fn clear(&mut self) {
        for (masks, touched) in self.masks.chunks_mut(BLOCK).zip(&self.touched) {
            if *touched {
                masks.fill(M::default());
            }
        }
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
