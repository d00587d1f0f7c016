//! The documents of one range of numbers, and their terms.

use fst::Map;

use super::numbers::Numbers;
use super::postings::Postings;

/// An immutable part of an index.
pub(super) struct Segment {
    pub(super) numbers: Numbers,
    /// Terms of the document at each place, with repetition, at most [`u16::MAX`].
    pub(super) lengths: Vec<u16>,
    /// Where the postings of each term are.
    pub(super) dictionary: Map<Vec<u8>>,
    pub(super) postings: Vec<u8>,
}

impl Segment {
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn postings(&self, term: &str) -> Option<Postings<'_>> {
        self.postings_at(self.dictionary.get(term)?)
    }

    /// Those with a value of the dictionary.
    pub(super) fn postings_at(&self, value: u64) -> Option<Postings<'_>> {
        Postings::at(value, &self.postings, self.len())
    }

    /// Terms of the document at a place; 0 if there is no such place.
    pub(super) fn length(&self, place: u32) -> u32 {
        self.lengths.get(place as usize).copied().unwrap_or_default().into()
    }

    /// Number of each document with a term, ascending.
    #[inline]
    pub(super) fn each_document(&self, postings: Postings<'_>, mut each: impl FnMut(u32)) {
        match &self.numbers {
            // Overflows in no index that is not damaged.
            Numbers::Run { first, .. } => postings.each(|place| each(first.wrapping_add(place))),
            Numbers::Listed(numbers) => postings.each(|place| {
                if let Some(number) = numbers.get(place as usize) {
                    each(*number);
                }
            }),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let lengths = self.lengths.len() * size_of::<u16>();
        let dictionary = self.dictionary.as_fst().as_bytes().len();
        size_of::<Self>() + self.numbers.memory_bytes() + lengths + dictionary + self.postings.len()
    }
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Segment").field("documents", &self.len()).finish_non_exhaustive()
    }
}
