//! The index and its questions, compared with looking at every document.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

type Document = (u32, Vec<(String, u32)>);

fn document(number: u32, terms: &[(&str, u32)]) -> Document {
    (number, terms.iter().map(|(term, times)| ((*term).to_owned(), *times)).collect())
}

fn postings(index: &WordIndex, term: &str) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    index.postings(term, |number, times| found.push((number, times)));
    found
}

/// Documents with few terms, of which some are in most documents; numbers have gaps.
fn documents(most: usize) -> impl Strategy<Value = Vec<Document>> {
    let terms = prop::collection::btree_map("[a-e]|[f-z]{2}", 1_u32..4, 0..6);
    prop::collection::vec((1_u32..4, terms), 0..most).prop_map(|documents| {
        let mut number = 0;
        let numbered = documents.into_iter().map(|(gap, terms)| {
            number += gap;
            (number, terms.into_iter().collect())
        });
        numbered.collect()
    })
}

fn index_of(documents: &[Document], batch: usize) -> WordIndex {
    documents.chunks(batch).fold(WordIndex::default(), |index, some| index.with(some))
}

/// An index holds exactly these documents.
fn check(index: &WordIndex, documents: &[Document]) {
    let mut expected: BTreeMap<&str, Vec<(u32, u32)>> = BTreeMap::new();
    for (number, terms) in documents {
        for (term, times) in terms {
            expected.entry(term).or_default().push((*number, (*times).min(255)));
        }
        let length: u32 = terms.iter().map(|(_, times)| times).sum();
        assert_eq!(index.length(*number), length.min(65_535), "length of {number}");
    }
    assert_eq!(index.documents(), documents.len());
    for (term, expected) in expected {
        assert_eq!(postings(index, term), expected, "{term}");
        assert_eq!(index.documents_with(term), expected.len());
    }
}

/// The pictures are numbered backwards, and those of `gone` are not there.
struct Backwards {
    last: u32,
    gone: BTreeSet<u32>,
}

impl Numbering for Backwards {
    fn slot_of(&self, document: u32) -> Option<u32> {
        let slot = self.last.checked_sub(document)?;
        (!self.gone.contains(&slot)).then_some(slot)
    }

    fn document_of(&self, slot: u32) -> Option<u32> {
        if self.gone.contains(&slot) { None } else { self.last.checked_sub(slot) }
    }
}

struct Same;

impl Numbering for Same {
    fn slot_of(&self, document: u32) -> Option<u32> {
        Some(document)
    }

    fn document_of(&self, slot: u32) -> Option<u32> {
        Some(slot)
    }
}

/// The best matches by looking at every picture.
fn by_looking(
    terms: &[AskedTerm],
    (keys, captions): (&[Document], &[Document]),
    numbering: &Backwards,
    (slots, allowed): (u32, Option<&[u64]>),
    wanted: usize,
) -> Vec<WordMatch> {
    let text = |documents: &[Document], number: Option<u32>| {
        let found = documents.iter().find(|(other, _)| Some(*other) == number);
        found.map(|(_, terms)| terms.clone()).unwrap_or_default()
    };
    let mut matches = Vec::new();
    for slot in 0..slots {
        if allowed.is_some_and(|allowed| allowed[slot as usize / 64] >> (slot % 64) & 1 == 0) {
            continue;
        }
        let mut held = text(keys, Some(slot));
        held.extend(text(captions, numbering.document_of(slot)));
        let times = |term: &AskedTerm| {
            held.iter().filter(|(other, _)| *other == term.term).map(|(_, times)| times).sum()
        };
        let occurrences: Vec<u32> = terms.iter().map(times).collect();
        if occurrences.iter().any(|times| *times > 0) {
            let length = held.iter().map(|(_, times)| times).sum();
            matches.push(match_of(terms, slot, &occurrences, length));
        }
    }
    matches.sort_by(|one, other| {
        let rank = |found: &WordMatch| (found.share, found.bm25);
        rank(other).partial_cmp(&rank(one)).unwrap().then(one.slot.cmp(&other.slot))
    });
    matches.truncate(wanted);
    matches
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn an_index_holds_its_documents(documents in documents(300), batch in 1_usize..400) {
        let index = index_of(&documents, batch);
        check(&index, &documents);
        check(&index.merged(|_| true), &documents);
        prop_assert!(postings(&index, "missing").is_empty());
        prop_assert_eq!(index.length(u32::MAX), 0);
    }

    #[test]
    fn a_merge_drops_documents_and_goes_on_meanwhile(
        documents in documents(300),
        batch in 1_usize..100,
        before in 0_usize..300,
        dropped in 2_u32..5,
    ) {
        let before = before.min(documents.len());
        let former = index_of(&documents[..before], batch);
        let keep = |number: u32| !number.is_multiple_of(dropped);
        let merged = former.merged(keep);
        let now = documents[before..].chunks(batch).fold(former, |index, some| index.with(some));
        let adopted = now.adopted(&merged);
        let kept: Vec<_> = documents
            .iter()
            .enumerate()
            .filter(|(at, (number, _))| {
                *at >= before || keep(*number) || merged.length(*number) > 0
            })
            .map(|(_, document)| document.clone())
            .collect();
        for (number, terms) in &kept {
            let length: u32 = terms.iter().map(|(_, times)| times).sum();
            prop_assert_eq!(adopted.length(*number), length);
        }
        let mut found = Vec::new();
        adopted.postings("a", |number, _| found.push(number));
        let has_a = |(_, terms): &&Document| terms.iter().any(|(term, _)| term == "a");
        let expected: Vec<_> = kept.iter().filter(has_a).map(|(number, _)| *number).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn matches_are_those_of_looking_at_every_picture(
        keys in documents(200),
        captions in documents(200),
        batches in (1_usize..250, 1_usize..250),
        asked in prop::collection::btree_map("[a-e]|[f-z]{2}|z", 0_u32..4, 1..12),
        gone in prop::collection::btree_set(0_u32..250, 0..20),
        bits in prop::option::of(prop::collection::vec(any::<u64>(), 4)),
        wanted in 1_usize..60,
    ) {
        let terms: Vec<_> = asked
            .into_iter()
            .map(|(term, weight)| AskedTerm { term, weight: weight as f32 * 0.7 })
            .collect();
        let numbering = Backwards { last: 250, gone };
        let slots = 251;
        let indices = (index_of(&keys, batches.0), index_of(&captions, batches.1).merged(|_| true));
        let sources = (
            TextSource { index: &indices.0, numbering: &Same },
            TextSource { index: &indices.1, numbering: &numbering },
        );
        let allowed = bits.as_deref();
        let found = matching(&terms, sources, slots, allowed, wanted);
        let texts = (keys.as_slice(), captions.as_slice());
        let mut expected = by_looking(&terms, texts, &numbering, (slots, allowed), usize::MAX);
        expected.retain(|found| found.share > 0.0);
        expected.truncate(wanted);
        prop_assert_eq!(&found, &expected);

        let slots: Vec<_> = found.iter().rev().map(|found| found.slot).collect();
        let again = matches_of(&terms, sources, &slots);
        prop_assert_eq!(again, found.into_iter().rev().collect::<Vec<_>>());
    }

    #[test]
    fn a_stored_index_is_the_same_or_refused(
        documents in documents(80),
        at in any::<prop::sample::Index>(),
        other in 1_u8..,
    ) {
        let index = index_of(&documents, 30).merged(|number| number % 7 != 0);
        let mut stored = Vec::new();
        index.save(&mut stored).unwrap();
        let loaded = WordIndex::load(&stored).unwrap();
        let mut again = Vec::new();
        loaded.save(&mut again).unwrap();
        prop_assert_eq!(&again, &stored);
        prop_assert!(loaded.with(&[document(1, &[("late", 1)])]).documents() == loaded.documents()
            || documents.is_empty());

        let at = at.index(stored.len());
        prop_assert!(WordIndex::load(&stored[..at]).is_err());
        stored[at] ^= other;
        prop_assert!(WordIndex::load(&stored).is_err());
    }

    #[test]
    fn postings_of_any_bytes_end(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        value in 0_u64..500,
        documents in 0_usize..2_000,
    ) {
        if let Some(postings) = postings::Postings::at(value, &bytes, documents) {
            let mut count = 0_usize;
            postings.each_counted(|_, _| count += 1);
            prop_assert!(count <= bytes.len().max(1) * 8);
            postings.each_of(&[(0, 0), (5, 1), (u32::MAX, 2)], |_, _| count += 1);
        }
    }
}

#[test]
fn many_documents_are_held_in_few_segments() {
    let documents: Vec<_> = (0..20_000)
        .map(|number| {
            let odd = if number % 2 == 1 { "odd" } else { "even" };
            document(number, &[("all", 1 + number % 3), (odd, 1), (&format!("n{number}"), 2)])
        })
        .collect();
    let mut index = WordIndex::default();
    for some in documents.chunks(30) {
        index = index.with(some);
        if index.should_merge() {
            index = index.merged(|_| true);
        }
        assert!(!index.should_merge());
    }
    check(&index, &documents);
    assert!(index.memory_bytes() < 20_000 * 25);
}

/// More pictures than are compared one by one.
#[test]
fn the_best_of_many_pictures_are_found() {
    let captions: Vec<_> = (0..30_000_u32)
        .map(|number| {
            let mut terms = vec![("all", 1), ("filler", number % 40)];
            if number % 3 == 0 {
                terms.push(("third", 1 + number % 2));
            }
            if number % 1_000 == 7 {
                terms.push(("rare", 1));
            }
            document(number, &terms)
        })
        .collect();
    let (keys, index) = (WordIndex::default(), index_of(&captions, 10_000));
    let numbering = Backwards { last: 29_999, gone: BTreeSet::from([9, 29_999 - 7]) };
    let sources = (
        TextSource { index: &keys, numbering: &Same },
        TextSource { index: &index, numbering: &numbering },
    );
    let half = vec![0xf0f0_f0f0_ffff_0000_u64; 469];
    for words in [&["all"][..], &["third"], &["rare", "all"], &["all", "third", "none"]] {
        let weight = |word| rarity(30_000, index.documents_with(word));
        let terms: Vec<_> = words
            .iter()
            .map(|word| AskedTerm { term: (*word).to_owned(), weight: weight(word) })
            .collect();
        let half = Some(half.as_slice());
        for (allowed, wanted) in [(None, 5), (None, 50), (None, 20_000), (half, 5), (half, 50)] {
            let found = matching(&terms, sources, 30_000, allowed, wanted);
            let slots: Vec<_> = (0..30_000)
                .filter(|slot| {
                    allowed.is_none_or(|bits| bits[*slot as usize / 64] >> (slot % 64) & 1 == 1)
                })
                .collect();
            let mut expected = matches_of(&terms, sources, &slots);
            expected.retain(|found| found.share > 0.0);
            expected.sort_by(|one, other| {
                let rank = |found: &WordMatch| (found.share, found.bm25);
                rank(other).partial_cmp(&rank(one)).unwrap().then(one.slot.cmp(&other.slot))
            });
            expected.truncate(wanted);
            assert_eq!(found, expected, "{words:?}");
        }
    }
}

#[test]
fn a_share_is_one_only_if_all_is_held() {
    let terms = [("rare", 20.0), ("common", 1e-9), ("other", 0.1)]
        .map(|(term, weight)| AskedTerm { term: term.to_owned(), weight });
    assert_eq!(match_of(&terms, 0, &[1, 1, 1], 3).share, 1.0);
    assert!(match_of(&terms, 0, &[1, 0, 1], 3).share < 1.0);
    assert_eq!(match_of(&terms, 0, &[0, 0, 0], 3), WordMatch { slot: 0, share: 0.0, bm25: 0.0 });
    // TermWeights that say nothing count alike.
    let terms = [f32::NAN, -1.0].map(|weight| AskedTerm { term: String::new(), weight });
    assert_eq!(match_of(&terms, 0, &[1, 0], 3).share, 0.5);
}

#[test]
fn scores_are_those_of_the_formula() {
    // ln(1 + (10 - 3 + 0.5) / (3 + 0.5)) and 1 * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 12 / 24)).
    assert!((rarity(10, 3) - 1.145_132_3).abs() < 1e-6);
    let term = AskedTerm { term: String::from("car"), weight: 1.0 };
    assert!((match_of(&[term], 0, &[2], 12).bm25 - 1.6).abs() < 1e-6);
    assert!(rarity(0, 0) > 0.0 && rarity(5, 9) > 0.0);
}

#[test]
fn documents_with_former_numbers_and_empty_ones() {
    let index =
        WordIndex::default().with(&[document(5, &[("a", 300), ("a", 1)]), document(7, &[])]);
    let index = index.with(&[document(6, &[("a", 1)]), document(7, &[("a", 1)])]);
    assert_eq!(index.documents(), 2);
    assert_eq!(postings(&index, "a"), [(5, 255)]);
    assert_eq!(index.length(5), 301);
    assert_eq!(index.length(7), 0);
    assert_eq!(index.merged(|_| false).documents(), 0);
    let last = index.with(&[document(u32::MAX, &[("b", 100_000)])]);
    assert_eq!(last.length(u32::MAX), 65_535);
    assert_eq!(last.with(&[document(u32::MAX, &[("c", 1)])]).documents_with("c"), 0);
}
