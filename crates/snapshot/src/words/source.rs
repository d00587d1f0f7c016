//! An index of words together with the pictures that its documents belong to.

use super::index::WordIndex;
use super::segment::Segment;

/// Which documents of an index belong to which pictures.
pub trait Numbering {
    /// The picture of a document; `None` if the document is superseded or the picture is gone.
    fn slot_of(&self, document: u32) -> Option<u32>;

    /// The document of a picture; `None` if it has none. `slot_of` of the document is the picture.
    fn document_of(&self, slot: u32) -> Option<u32>;
}

/// The texts of one kind: all keys, or all captions.
#[derive(Debug)]
pub struct TextSource<'a, N: ?Sized> {
    /// The terms of the texts.
    pub index: &'a WordIndex,
    /// Whose texts they are.
    pub numbering: &'a N,
}

impl<N: ?Sized> Clone for TextSource<'_, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N: ?Sized> Copy for TextSource<'_, N> {}

impl<'a, N: Numbering + ?Sized> TextSource<'a, N> {
    /// Each picture whose text holds a term.
    #[inline]
    pub(super) fn each_slot(&self, term: &str, mut each: impl FnMut(u32)) {
        for segment in &self.index.segments {
            let Some(postings) = segment.postings(term) else { continue };
            segment.each_document(postings, |document| {
                if let Some(slot) = self.numbering.slot_of(document) {
                    each(slot);
                }
            });
        }
    }

    /// Where the texts of these pictures are.
    pub(super) fn located(&self, slots: &[u32]) -> Located<'a> {
        let mut documents: Vec<(u32, u32)> = slots
            .iter()
            .zip(0_u32..)
            .filter_map(|(slot, at)| Some((self.numbering.document_of(*slot)?, at)))
            .collect();
        documents.sort_unstable();
        let mut rest = documents.as_slice();
        let mut located = Vec::new();
        for segment in &self.index.segments {
            let Some(last) = segment.numbers.last() else { continue };
            let (here, later) = rest.split_at(rest.partition_point(|(number, _)| *number <= last));
            rest = later;
            let places: Vec<_> = here
                .iter()
                .filter_map(|(number, at)| Some((segment.numbers.place_of(*number)?, *at)))
                .collect();
            if !places.is_empty() {
                located.push((segment.as_ref(), places));
            }
        }
        Located { segments: located }
    }
}

/// Where the texts of some pictures are in an index.
pub(super) struct Located<'a> {
    /// Segments with places, ascending, and which of the pictures each is of.
    segments: Vec<(&'a Segment, Vec<(u32, u32)>)>,
}

impl Located<'_> {
    /// Which picture has a text, and its length.
    pub(super) fn lengths(&self, mut each: impl FnMut(u32, u32)) {
        for (segment, places) in &self.segments {
            for (place, at) in places {
                each(*at, segment.length(*place));
            }
        }
    }

    /// Which picture's text holds a term, and how often.
    pub(super) fn occurrences(&self, term: &str, mut each: impl FnMut(u32, u32)) {
        for (segment, places) in &self.segments {
            if let Some(postings) = segment.postings(term) {
                postings.each_of(places, &mut each);
            }
        }
    }
}
