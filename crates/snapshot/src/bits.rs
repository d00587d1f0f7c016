//! A set of slots, one bit for each.

/// A set of slots. It has a length: slots beyond it are not members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// No member, and room for `slots` slots.
    pub fn none(slots: usize) -> Self {
        Self { words: vec![0; slots.div_ceil(64)] }
    }

    /// The first `slots` slots.
    pub fn all(slots: usize) -> Self {
        let mut words = vec![u64::MAX; slots.div_ceil(64)];
        if let (Some(last), rest @ 1..) = (words.last_mut(), slots % 64) {
            *last = (1 << rest) - 1;
        }
        Self { words }
    }

    /// Whether a slot is a member.
    pub fn has(&self, slot: u32) -> bool {
        let word = self.words.get(slot as usize / 64).copied().unwrap_or(0);
        word >> (slot % 64) & 1 == 1
    }

    /// Adds a slot or takes it out. Grows where that is needed.
    pub fn set(&mut self, slot: u32, member: bool) {
        let place = slot as usize / 64;
        if place >= self.words.len() {
            if !member {
                return;
            }
            self.words.resize(place + 1, 0);
        }
        let bit = 1 << (slot % 64);
        if let Some(word) = self.words.get_mut(place) {
            *word = if member { *word | bit } else { *word & !bit };
        }
    }

    /// Keeps the members that `other` has too.
    pub fn intersect(&mut self, other: &Self) {
        self.words.truncate(other.words.len());
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= other);
    }

    /// Adds the members of `other`.
    pub fn unite(&mut self, other: &Self) {
        self.words.resize(self.words.len().max(other.words.len()), 0);
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    /// Takes the members of `other` out.
    pub fn subtract(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= !other);
    }

    /// Number of members.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.words.iter().enumerate().flat_map(|(place, word)| {
            let rest = std::iter::successors(Some(*word), |rest| Some(rest & rest.wrapping_sub(1)));
            rest.take_while(|rest| *rest != 0)
                .map(move |rest| place as u32 * 64 + rest.trailing_zeros())
        })
    }

    /// The bits, 64 slots in each word, the least slot in the least bit.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The bits, to be changed word by word.
    pub(crate) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }
}

impl FromIterator<u32> for Bits {
    fn from_iter<T: IntoIterator<Item = u32>>(slots: T) -> Self {
        let mut bits = Self::default();
        slots.into_iter().for_each(|slot| bits.set(slot, true));
        bits
    }
}

impl From<Vec<u64>> for Bits {
    fn from(words: Vec<u64>) -> Self {
        Self { words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_counted_and_named_in_order() {
        let bits: Bits = [3, 64, 65, 200].into_iter().collect();
        assert_eq!(bits.iter().collect::<Vec<_>>(), [3, 64, 65, 200]);
        assert_eq!(bits.count(), 4);
        assert!(bits.has(64) && !bits.has(63) && !bits.has(10_000));
        for slots in [0, 1, 63, 64, 65, 130] {
            assert_eq!(Bits::all(slots).count(), slots);
        }
    }

    #[test]
    fn sets_of_different_lengths_are_joined() {
        let (short, long): (Bits, Bits) =
            ([1, 2].into_iter().collect(), [2, 500].into_iter().collect());
        let of = |change: fn(&mut Bits, &Bits), mut to: Bits, other: &Bits| {
            change(&mut to, other);
            to.iter().collect::<Vec<_>>()
        };
        assert_eq!(of(Bits::unite, short.clone(), &long), [1, 2, 500]);
        assert_eq!(of(Bits::intersect, long.clone(), &short), [2]);
        assert_eq!(of(Bits::intersect, short.clone(), &long), [2]);
        assert_eq!(of(Bits::subtract, long, &short), [500]);
    }
}
