//! A segment made from documents.

use std::collections::HashMap;

use fst::MapBuilder;

use super::numbers::Numbers;
use super::postings::{MOST_OCCURRENCES, PostingsWriter};
use super::segment::Segment;

/// A document: its number, and its terms with how often each occurs.
pub(super) type Document = (u32, Vec<(String, u32)>);

/// The segment of these documents, numbers ascending.
pub(super) fn segment_of(documents: &[&Document]) -> Segment {
    let mut places: HashMap<&str, Vec<(u32, u8)>> = HashMap::new();
    let mut lengths = Vec::with_capacity(documents.len());
    for ((_, terms), place) in documents.iter().zip(0_u32..) {
        let mut length = 0_u32;
        for (term, occurrences) in terms.iter().filter(|(_, occurrences)| *occurrences > 0) {
            length = length.saturating_add(*occurrences);
            let occurrences = (*occurrences).min(MOST_OCCURRENCES) as u8;
            let postings = places.entry(term).or_default();
            match postings.last_mut() {
                Some((last, sum)) if *last == place => *sum = sum.saturating_add(occurrences),
                _ => postings.push((place, occurrences)),
            }
        }
        lengths.push(u16::try_from(length).unwrap_or(u16::MAX));
    }
    let mut terms: Vec<_> = places.into_iter().collect();
    terms.sort_unstable_by_key(|(term, _)| *term);

    let mut writer = SegmentWriter::new(documents.len());
    for (term, postings) in &terms {
        writer.add(term.as_bytes(), postings);
    }
    writer.finish(Numbers::of(documents.iter().map(|(number, _)| *number).collect()), lengths)
}

/// Writes the terms of a segment, in order.
pub(super) struct SegmentWriter {
    dictionary: MapBuilder<Vec<u8>>,
    postings: PostingsWriter,
}

impl SegmentWriter {
    pub(super) fn new(documents: usize) -> Self {
        Self { dictionary: MapBuilder::memory(), postings: PostingsWriter::new(documents) }
    }

    /// Adds a term and its `(place, occurrences)`. Terms and places must ascend. A term without
    /// places is left out.
    pub(super) fn add(&mut self, term: &[u8], postings: &[(u32, u8)]) {
        if postings.is_empty() {
            return;
        }
        let value = self.postings.write(postings);
        let added = self.dictionary.insert(term, value);
        debug_assert!(added.is_ok(), "terms ascend, and memory takes every byte");
    }

    pub(super) fn finish(self, numbers: Numbers, lengths: Vec<u16>) -> Segment {
        let mut postings = self.postings.bytes;
        postings.shrink_to_fit();
        Segment { numbers, lengths, dictionary: self.dictionary.into_map(), postings }
    }
}
