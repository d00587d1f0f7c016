//! Several segments as one.

use std::sync::Arc;

use fst::Streamer;
use fst::map::OpBuilder;

use super::build::SegmentWriter;
use super::numbers::Numbers;
use super::segment::Segment;

/// Place of a document that is left out.
const DROPPED: u32 = u32::MAX;

/// The documents of segments of ascending ranges that `keep` takes; `None` if it takes none.
pub(super) fn merge(segments: &[Arc<Segment>], keep: impl Fn(u32) -> bool) -> Option<Segment> {
    let mut numbers = Vec::new();
    let mut lengths = Vec::new();
    // New place of the document at each place of each segment.
    let mut places: Vec<Vec<u32>> = Vec::with_capacity(segments.len());
    for segment in segments {
        let mut moved = Vec::with_capacity(segment.len());
        for (number, length) in segment.numbers.iter().zip(&segment.lengths) {
            let place = u32::try_from(numbers.len()).unwrap_or(DROPPED);
            if place == DROPPED || !keep(number) {
                moved.push(DROPPED);
                continue;
            }
            moved.push(place);
            numbers.push(number);
            lengths.push(*length);
        }
        places.push(moved);
    }
    if numbers.is_empty() {
        return None;
    }
    numbers.shrink_to_fit();
    lengths.shrink_to_fit();

    let mut writer = SegmentWriter::new(numbers.len());
    let mut dictionaries = OpBuilder::new();
    for segment in segments {
        dictionaries.push(segment.dictionary.stream());
    }
    let mut terms = dictionaries.union();
    let mut postings = Vec::new();
    while let Some((term, values)) = terms.next() {
        let mut values = values.to_vec();
        values.sort_unstable_by_key(|value| value.index);
        postings.clear();
        for value in values {
            let (Some(segment), Some(moved)) = (segments.get(value.index), places.get(value.index))
            else {
                continue;
            };
            let Some(former) = segment.postings_at(value.value) else { continue };
            former.each_counted(|place, occurrences| {
                if let Some(place) = moved.get(place as usize).filter(|place| **place != DROPPED) {
                    postings.push((*place, occurrences));
                }
            });
        }
        writer.add(term, &postings);
    }
    Some(writer.finish(Numbers::of(numbers), lengths))
}
