//! The question: which pictures hold the terms best.

use std::cmp::Ordering;

use super::marks::{MarkedTerms, candidates};
use super::score::{AskedTerm, MOST_TERMS, Tally, TermWeights, WordMatch, norm_of};
use super::source::{Numbering, TextSource};

/// Compares this many pictures one by one rather than reading all places of the terms.
const FEW: usize = 8_192;

/// Many pictures are compared in at most so many parts, so that each is in the processor's cache.
const MOST_PARTS: usize = 8;

/// The best pictures: by share, then by BM25 (both descending), then by slot. A picture holds a
/// term if one of its texts does; occurrences and lengths of its texts add up. Pictures without
/// any of the terms are left out.
///
/// `slots` is one more than the greatest slot. `allowed` has a bit for each slot, the lowest bit of
/// the first word for slot 0; slots after its end are not allowed. At most 64 terms are asked for.
/// Each thread that asks keeps a byte for each slot as working memory.
pub fn matching<K: Numbering + ?Sized, C: Numbering + ?Sized>(
    terms: &[AskedTerm],
    sources: (TextSource<'_, K>, TextSource<'_, C>),
    slots: u32,
    allowed: Option<&[u64]>,
    wanted: usize,
) -> Vec<WordMatch> {
    let terms = terms.get(..MOST_TERMS).unwrap_or(terms);
    if terms.is_empty() || wanted == 0 {
        return Vec::new();
    }
    let found = match allowed.and_then(|allowed| few(allowed, slots)) {
        Some(few) => few,
        None => {
            let weights = TermWeights::of(terms);
            candidates(
                MarkedTerms { terms, weights: &weights, few: FEW },
                sources,
                slots,
                allowed,
                wanted,
            )
        }
    };
    let mut best = Vec::new();
    // The last of the wanted ones so far.
    let mut worst: Option<WordMatch> = None;
    for some in found.chunks(found.len().div_ceil(MOST_PARTS).max(FEW)) {
        let matches = matches_of(terms, sources, some);
        best.extend(matches.into_iter().filter(|found| {
            let is_better = worst.is_none_or(|worst| by_rank(found, &worst).is_lt());
            found.share > 0.0 && is_better
        }));
        if best.len() > wanted {
            let (_, last, _) = best.select_nth_unstable_by(wanted - 1, by_rank);
            worst = Some(*last);
            best.truncate(wanted);
        }
    }
    best.sort_unstable_by(by_rank);
    best
}

fn by_rank(one: &WordMatch, other: &WordMatch) -> Ordering {
    let share = other.share.total_cmp(&one.share);
    share.then(other.bm25.total_cmp(&one.bm25)).then(one.slot.cmp(&other.slot))
}

/// The allowed slots, if they are few.
fn few(allowed: &[u64], slots: u32) -> Option<Vec<u32>> {
    let count: usize = allowed.iter().map(|word| word.count_ones() as usize).sum();
    if count > FEW {
        return None;
    }
    let mut found = Vec::with_capacity(count);
    for (word, first) in allowed.iter().zip((0..slots).step_by(64)) {
        let mut bits = *word;
        while bits != 0 {
            found.push(first + bits.trailing_zeros());
            bits &= bits - 1;
        }
    }
    found.retain(|slot| *slot < slots);
    Some(found)
}

/// How well each of these pictures matches, in their order. The numbers are those of [`matching`];
/// both are 0 for a picture without any of the terms.
pub fn matches_of<K: Numbering + ?Sized, C: Numbering + ?Sized>(
    terms: &[AskedTerm],
    sources: (TextSource<'_, K>, TextSource<'_, C>),
    slots: &[u32],
) -> Vec<WordMatch> {
    let terms = terms.get(..MOST_TERMS).unwrap_or(terms);
    let weights = TermWeights::of(terms);
    let located = (sources.0.located(slots), sources.1.located(slots));

    let mut lengths = vec![0_u32; slots.len()];
    let mut add_length = |at: u32, length| add(&mut lengths, at, length);
    located.0.lengths(&mut add_length);
    located.1.lengths(&mut add_length);
    let norms: Vec<_> = lengths.iter().map(|length| norm_of(*length)).collect();

    let mut tallies = vec![Tally::default(); slots.len()];
    let mut occurrences = lengths;
    for (at, term) in terms.iter().enumerate() {
        occurrences.fill(0);
        let mut add_occurrences = |at: u32, times| add(&mut occurrences, at, times);
        located.0.occurrences(&term.term, &mut add_occurrences);
        located.1.occurrences(&term.term, &mut add_occurrences);
        for ((tally, occurrences), norm) in tallies.iter_mut().zip(&occurrences).zip(&norms) {
            tally.add(weights.at(at), *occurrences, *norm);
        }
    }
    slots.iter().zip(tallies).map(|(slot, tally)| weights.result(*slot, tally)).collect()
}

fn add(sums: &mut [u32], at: u32, value: u32) {
    if let Some(sum) = sums.get_mut(at as usize) {
        *sum += value;
    }
}
