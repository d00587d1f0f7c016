//! An index of words together with the pictures that its documents belong to.

use std::ops::Range;

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
        let mut texts: Vec<(u32, u32)> = Vec::with_capacity(slots.len());
        for (slot, at) in slots.iter().zip(0_u32..) {
            if let Some(document) = self.numbering.document_of(*slot) {
                texts.push((document, at));
            }
        }
        if !texts.is_sorted() {
            texts.sort_unstable();
        }
        let mut segments = Vec::new();
        let mut rest = texts.iter();
        let mut places = Vec::with_capacity(texts.len());
        for segment in &self.index.segments {
            let Some(last) = segment.numbers.last() else { continue };
            let count = rest.as_slice().partition_point(|(document, _)| *document <= last);
            let (first, mut start) = (places.len(), 0);
            for (document, at) in rest.by_ref().take(count) {
                if let Some(place) = segment.numbers.place_from(&mut start, *document) {
                    places.push((place, *at));
                }
            }
            segments.push((segment.as_ref(), first..places.len()));
        }
        Located { places, segments }
    }
}

/// Where the texts of some pictures are in an index.
pub(super) struct Located<'a> {
    /// The place of each text in its segment, ascending there, and which of the pictures it is of.
    places: Vec<(u32, u32)>,
    segments: Vec<(&'a Segment, Range<usize>)>,
}

impl<'a> Located<'a> {
    fn segments(&self) -> impl Iterator<Item = (&'a Segment, &[(u32, u32)])> {
        let segments = self.segments.iter().filter(|(_, places)| !places.is_empty());
        segments.filter_map(|(segment, places)| Some((*segment, self.places.get(places.clone())?)))
    }

    /// Which picture has a text, and its length.
    #[inline]
    pub(super) fn lengths(&self, mut each: impl FnMut(u32, u32)) {
        for (segment, places) in self.segments() {
            for (place, at) in places {
                each(*at, segment.length(*place));
            }
        }
    }

    /// Which picture's text holds a term, and how often.
    #[inline]
    pub(super) fn occurrences(&self, term: &str, mut each: impl FnMut(u32, u32)) {
        for (segment, places) in self.segments() {
            if let Some(postings) = segment.postings(term) {
                postings.each_of(places, &mut each);
            }
        }
    }
}
