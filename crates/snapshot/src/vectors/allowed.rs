//! The slots that a search may find, as a dense bit set.

/// A set of slots. A slot beyond its end is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    words: Vec<u64>,
    count: usize,
}

impl Allowed {
    /// Slot `s` is allowed where bit `s % 64` of word `s / 64` is set.
    pub fn from_words(words: Vec<u64>) -> Self {
        let count = words.iter().map(|word| word.count_ones() as usize).sum();
        Self { words, count }
    }

    /// How many slots are allowed.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether this slot may be found.
    #[inline]
    pub fn contains(&self, slot: u32) -> bool {
        self.words.get(slot as usize / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    /// The words of [`Allowed::from_words`].
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The allowed slots in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().zip(0u32..).flat_map(|(&word, index)| {
            let rest = std::iter::successors(Some(word), |word| Some(word & (word - 1)));
            rest.take(word.count_ones() as usize)
                .map(move |word| index * 64 + word.trailing_zeros())
        })
    }
}

/// Takes as many bits as the greatest slot: meant for slots that are dense.
impl FromIterator<u32> for Allowed {
    fn from_iter<I: IntoIterator<Item = u32>>(slots: I) -> Self {
        let mut words = Vec::new();
        for slot in slots {
            let index = slot as usize / 64;
            if index >= words.len() {
                words.resize(index + 1, 0);
            }
            if let Some(word) = words.get_mut(index) {
                *word |= 1 << (slot % 64);
            }
        }
        Self::from_words(words)
    }
}
