//! The index: a list of segments.

use std::sync::Arc;

use super::build::{Document, segment_of};
use super::merge::merge;
use super::segment::Segment;

/// [`WordIndex::with`] merges no more documents than this.
const MOST_MERGED_AT_ONCE: usize = 4_096;

/// More segments than this should be merged in the background.
const MOST_SEGMENTS: usize = 16;

/// A segment is merged with all later ones when it has at most so many times their documents. So a
/// document is moved a few times, however many come after it.
const GROWTH: usize = 3;

/// Which documents hold which terms. A document is known by a number of the caller's, which only
/// grows. Cheap to clone: clones share their memory.
///
/// A changed document gets a new number. The index keeps the former one until a merge drops it, so
/// the caller must know which documents still count.
///
/// # Merging in the background
/// [`with`](Self::with) merges few documents, so segments pile up. Whoever adds documents asks
/// [`should_merge`](Self::should_merge) after it, and has another thread call
/// [`merged`](Self::merged) on a clone. Documents can be added meanwhile;
/// [`adopted`](Self::adopted) joins the two. While very many documents are added (at a start),
/// merging between two calls of `with` is simpler, and as quick:
///
/// ```
/// # use snapshot::words::WordIndex;
/// # let batches: Vec<Vec<(u32, Vec<(String, u32)>)>> = Vec::new();
/// let mut index = WordIndex::default();
/// for batch in batches {
///     index = index.with(&batch);
///     if index.should_merge() {
///         index = index.merged(|_| true);
///     }
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct WordIndex {
    /// Of ascending ranges of numbers; none is empty.
    pub(super) segments: Vec<Arc<Segment>>,
    /// One more than the greatest number ever added.
    pub(super) end: u64,
}

impl WordIndex {
    /// This index and further documents, each with its terms and how often they occur in it (255
    /// at most are counted). Numbers must ascend, and be above all former ones; a document with
    /// another number is left out. Takes time for the new documents and few others (at most 4,096).
    #[must_use]
    pub fn with(&self, documents: &[(u32, Vec<(String, u32)>)]) -> Self {
        let mut end = self.end;
        let mut taken: Vec<&Document> = Vec::with_capacity(documents.len());
        for document in documents {
            if u64::from(document.0) >= end {
                end = u64::from(document.0) + 1;
                taken.push(document);
            }
        }
        if taken.is_empty() {
            return self.clone();
        }
        let mut segments = self.segments.clone();
        segments.push(Arc::new(segment_of(&taken)));
        let first = first_to_merge(&segments, MOST_MERGED_AT_ONCE);
        if segments.len().saturating_sub(first) > 1 {
            let tail = segments.split_off(first);
            segments.extend(merge(&tail, |_| true).map(Arc::new));
        }
        Self { segments, end }
    }

    /// Whether questions would be answered more quickly after [`merged`](Self::merged).
    pub fn should_merge(&self) -> bool {
        self.segments.len() > MOST_SEGMENTS
    }

    /// The same documents in fewer segments, without those that `keep` refuses. Segments that are
    /// large and hardly changed stay as they are, with up to a quarter of refused documents. Takes
    /// seconds for a million documents, and as much memory again as the merged segments have.
    #[must_use]
    pub fn merged(&self, keep: impl Fn(u32) -> bool) -> Self {
        let first = first_to_merge(&self.segments, usize::MAX);
        // A last segment alone is treated as any other.
        let first =
            if self.segments.len().saturating_sub(first) > 1 { first } else { self.segments.len() };
        let (large, tail) = self.segments.split_at_checked(first).unwrap_or((&self.segments, &[]));
        let mut segments = Vec::new();
        for segment in large {
            let refused = segment.numbers.iter().filter(|number| !keep(*number)).count();
            if refused * 4 > segment.len() {
                segments.extend(merge(std::slice::from_ref(segment), &keep).map(Arc::new));
            } else {
                segments.push(segment.clone());
            }
        }
        segments.extend(merge(tail, &keep).map(Arc::new));
        Self { segments, end: self.end }
    }

    /// What [`merged`](Self::merged) made of a former state of this index, and the documents that
    /// were added since. Quick, as only few documents are moved.
    #[must_use]
    pub fn adopted(&self, merged: &Self) -> Self {
        let is_new = |number: u32| u64::from(number) >= merged.end;
        let mut segments = merged.segments.clone();
        for segment in &self.segments {
            if segment.numbers.first().is_some_and(is_new) {
                segments.push(segment.clone());
            } else if segment.numbers.last().is_some_and(is_new) {
                // Documents before and after the merge were put together since.
                segments.extend(merge(std::slice::from_ref(segment), is_new).map(Arc::new));
            }
        }
        Self { segments, end: self.end.max(merged.end) }
    }

    /// Number of documents, with those that no longer count and are not dropped yet.
    pub fn documents(&self) -> usize {
        self.segments.iter().map(|segment| segment.len()).sum()
    }

    /// Number of documents that hold a term, with those that no longer count.
    pub fn documents_with(&self, term: &str) -> usize {
        let counts = self.segments.iter().filter_map(|segment| segment.postings(term));
        counts.map(|postings| postings.count as usize).sum()
    }

    /// Each document that holds a term, and how often (255 at most). Documents ascend.
    pub fn postings(&self, term: &str, mut each: impl FnMut(u32, u32)) {
        for segment in &self.segments {
            let Some(postings) = segment.postings(term) else { continue };
            postings.each_counted(|place, occurrences| {
                if let Some(number) = segment.numbers.at(place) {
                    each(number, occurrences.into());
                }
            });
        }
    }

    /// Terms of a document, with repetition (65,535 at most); 0 if there is no such document.
    pub fn length(&self, document: u32) -> u32 {
        let after = self
            .segments
            .partition_point(|segment| segment.numbers.first().is_some_and(|n| n <= document));
        let Some(segment) = after.checked_sub(1).and_then(|last| self.segments.get(last)) else {
            return 0;
        };
        segment.numbers.place_of(document).map_or(0, |place| segment.length(place))
    }

    /// Memory that the index takes.
    pub fn memory_bytes(&self) -> usize {
        self.segments.iter().map(|segment| segment.memory_bytes()).sum()
    }
}

/// The first of the last segments that should become one, together at most `most` documents. The
/// last segment if there is nothing to merge.
fn first_to_merge(segments: &[Arc<Segment>], most: usize) -> usize {
    let mut first = segments.len().saturating_sub(1);
    let mut later = 0;
    for (at, segment) in segments.iter().enumerate().rev() {
        if later > 0 && segment.len() <= GROWTH * later && segment.len() + later <= most {
            first = at;
        }
        later += segment.len();
    }
    first
}
