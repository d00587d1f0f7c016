//! The places of one term in a segment, and how often it occurs there.
//!
//! ```text
//! value in the dictionary   place << 1 | 1     the only place, where the term occurs once
//!                           offset << 1        of the following bytes
//! count                     varint             number of places
//! length of `repeats`       varint             in bytes
//! repeats                   (gap varint, u8)*  the places where it occurs more than once
//! places                    bits of all places (64 bits little endian each), or gaps as varints
//! ```
//!
//! A gap is the distance from the former place, of the first one from 0. Bits are taken where they
//! need no more than a byte for each place. So gaps are at most an eighth of a segment's places,
//! and are read quickly enough without a way to skip some of them.

/// More occurrences are counted as this many.
pub(super) const MOST_OCCURRENCES: u32 = u8::MAX as u32;

/// Appends the postings of terms to one another.
#[derive(Debug)]
pub(super) struct PostingsWriter {
    pub(super) bytes: Vec<u8>,
    /// Number of documents of the segment.
    documents: usize,
}

impl PostingsWriter {
    pub(super) fn new(documents: usize) -> Self {
        Self { bytes: Vec::new(), documents }
    }

    /// Appends `(place, occurrences)`, places ascending, and returns the value in the dictionary.
    pub(super) fn write(&mut self, postings: &[(u32, u8)]) -> u64 {
        if let [(place, 1)] = postings {
            return u64::from(*place) << 1 | 1;
        }
        let offset = self.bytes.len() as u64;
        let mut repeats = Vec::new();
        let mut former = 0;
        for (place, occurrences) in postings.iter().filter(|(_, occurrences)| *occurrences > 1) {
            write_varint(&mut repeats, place - former);
            repeats.push(*occurrences);
            former = *place;
        }
        write_varint(&mut self.bytes, u32::try_from(postings.len()).unwrap_or(u32::MAX));
        write_varint(&mut self.bytes, u32::try_from(repeats.len()).unwrap_or(u32::MAX));
        self.bytes.extend_from_slice(&repeats);
        if has_bits(postings.len(), self.documents) {
            self.write_bits(postings);
        } else {
            let mut former = 0;
            for (place, _) in postings {
                write_varint(&mut self.bytes, place - former);
                former = *place;
            }
        }
        offset << 1
    }

    fn write_bits(&mut self, postings: &[(u32, u8)]) {
        let mut words = vec![0_u64; self.documents.div_ceil(64)];
        for (place, _) in postings {
            if let Some(word) = words.get_mut(*place as usize / 64) {
                *word |= 1 << (place % 64);
            }
        }
        self.bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
}

/// Whether so many places of so many documents are stored as bits.
fn has_bits(places: usize, documents: usize) -> bool {
    places > 1 && places >= documents.div_ceil(64) * 8
}

fn write_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a number from the front; `None` at the end of the bytes, and for more than 32 bits.
#[inline]
fn read_varint(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0_u32;
    for shift in (0..32).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// The places of one term. Damaged bytes end early, or have wrong places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Postings<'a> {
    pub(super) count: u32,
    repeats: &'a [u8],
    places: Places<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Places<'a> {
    One(u32),
    Bits(&'a [[u8; 8]]),
    Gaps(&'a [u8]),
}

impl<'a> Postings<'a> {
    /// Those with a value of the dictionary, in a segment of so many documents.
    pub(super) fn at(value: u64, bytes: &'a [u8], documents: usize) -> Option<Self> {
        if value & 1 == 1 {
            let place = u32::try_from(value >> 1).ok()?;
            return Some(Self { count: 1, repeats: &[], places: Places::One(place) });
        }
        let mut rest = bytes.get(usize::try_from(value >> 1).ok()?..)?;
        let count = read_varint(&mut rest)?;
        let length = read_varint(&mut rest)? as usize;
        let (repeats, rest) = rest.split_at_checked(length)?;
        let places = if has_bits(count as usize, documents) {
            Places::Bits(rest.as_chunks().0.get(..documents.div_ceil(64))?)
        } else {
            Places::Gaps(rest)
        };
        Some(Self { count, repeats, places })
    }

    /// Each place, ascending.
    #[inline]
    pub(super) fn each(&self, mut each: impl FnMut(u32)) {
        match self.places {
            Places::One(place) => each(place),
            Places::Bits(words) => {
                for (word, first) in words.iter().zip((0_u32..).step_by(64)) {
                    let mut bits = u64::from_le_bytes(*word);
                    while bits != 0 {
                        each(first + bits.trailing_zeros());
                        bits &= bits - 1;
                    }
                }
            }
            Places::Gaps(mut bytes) => {
                let mut place = 0_u32;
                for _ in 0..self.count {
                    let Some(next) = read_varint(&mut bytes).and_then(|gap| place.checked_add(gap))
                    else {
                        return;
                    };
                    place = next;
                    each(place);
                }
            }
        }
    }

    /// Each place with the occurrences, places ascending.
    #[inline]
    pub(super) fn each_counted(&self, mut each: impl FnMut(u32, u8)) {
        let mut repeats = Repeats::new(self.repeats);
        self.each(|place| each(place, repeats.at(place)));
    }

    /// The occurrences at those of `wanted` that the term is at. `wanted` are `(place, anything)`,
    /// ascending.
    pub(super) fn each_of(&self, wanted: &[(u32, u32)], mut each: impl FnMut(u32, u32)) {
        let mut repeats = Repeats::new(self.repeats);
        match self.places {
            Places::Bits(words) => {
                for (place, with) in wanted {
                    let word = words.get(*place as usize / 64).copied().unwrap_or_default();
                    if u64::from_le_bytes(word) >> (place % 64) & 1 == 1 {
                        each(*with, u32::from(repeats.at(*place)));
                    }
                }
            }
            Places::One(_) | Places::Gaps(_) => {
                let mut wanted = wanted.iter().peekable();
                self.each(|place| {
                    while let Some((at, with)) = wanted.next_if(|next| next.0 <= place) {
                        if *at == place {
                            each(*with, u32::from(repeats.at(place)));
                        }
                    }
                });
            }
        }
    }
}

/// The places where a term occurs more than once.
struct Repeats<'a> {
    bytes: &'a [u8],
    place: u32,
    occurrences: u8,
}

impl<'a> Repeats<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let mut repeats = Self { bytes, place: 0, occurrences: 1 };
        repeats.advance();
        repeats
    }

    fn advance(&mut self) {
        let next = read_varint(&mut self.bytes).and_then(|gap| self.place.checked_add(gap));
        let occurrences = self.bytes.split_off_first();
        (self.place, self.occurrences) = match (next, occurrences) {
            (Some(place), Some(occurrences)) => (place, *occurrences),
            _ => (u32::MAX, 1),
        };
    }

    /// Occurrences at a place of the term. Places must ascend.
    #[inline]
    fn at(&mut self, place: u32) -> u8 {
        while self.place < place {
            self.advance();
        }
        if self.place == place { self.occurrences } else { 1 }
    }
}
