//! How long questions of words take in an index of many documents, and how much memory it needs.
//!
//! `cargo run --release -p snapshot --example words [documents]` prints one line of JSON: seconds
//! to build and to load, bytes, and for each question the median of its wall time and the mean of
//! its processor's time in microseconds: of all pictures, of every second one (`half`), and of
//! 1,500 given ones (`of`).

use std::hint::black_box;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use snapshot::words::{AskedTerm, Numbering, TextSource, WordIndex, matches_of, matching, rarity};

/// Each document is the text of the picture with its number.
struct Same(u32);

impl Numbering for Same {
    fn slot_of(&self, document: u32) -> Option<u32> {
        (document < self.0).then_some(document)
    }

    fn document_of(&self, slot: u32) -> Option<u32> {
        (slot < self.0).then_some(slot)
    }
}

/// Documents are listed in another order than pictures, as captions are.
struct Listed(Vec<u32>, Vec<u32>);

impl Numbering for Listed {
    fn slot_of(&self, document: u32) -> Option<u32> {
        self.0.get(document as usize).copied()
    }

    fn document_of(&self, slot: u32) -> Option<u32> {
        self.1.get(slot as usize).copied()
    }
}

type Document = (u32, Vec<(String, u32)>);

/// A caption of about 25 terms of 60,000, of which the commonest are in a third of all captions.
fn caption(number: u32, random: &mut StdRng) -> Document {
    let mut terms = Vec::new();
    for common in 0..4 {
        if random.random_bool(0.3) {
            terms.push((format!("common{common}"), 1 + u32::from(random.random_bool(0.1))));
        }
    }
    for _ in 0..24 {
        // Zipf's law: the term of rank r is drawn with a probability of about 1/r.
        let rank = 60_000_f64.powf(random.random::<f64>()) as u32;
        terms.push((format!("{:x}w", rank.wrapping_mul(2_654_435_761)), 1));
    }
    (number, terms)
}

/// A key of two folders, a name with a number of its own and an ending.
fn key(number: u32, random: &mut StdRng) -> Document {
    let album = 5_000_f64.powf(random.random::<f64>()) as u32;
    let words = [
        String::from("pictur"),
        format!("album{album}"),
        (2000 + album % 25).to_string(),
        String::from("img"),
        format!("{:x}", u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 28),
        String::from("jpg"),
    ];
    (number, words.into_iter().map(|word| (word, 1)).collect())
}

fn build(documents: u32, make: impl Fn(u32, &mut StdRng) -> Document) -> (WordIndex, f64) {
    let mut random = StdRng::seed_from_u64(7);
    let mut index = WordIndex::default();
    let mut seconds = 0.0;
    for first in (0..documents).step_by(10_000) {
        let some: Vec<_> = (first..documents.min(first + 10_000))
            .map(|number| make(number, &mut random))
            .collect();
        let start = cpu_seconds();
        index = index.with(&some);
        if index.should_merge() {
            index = index.merged(|_| true);
        }
        seconds += cpu_seconds() - start;
    }
    (index, seconds)
}

/// Median of the wall time and mean of the processor's time, in microseconds. They differ where
/// other processes use the processor, too.
fn measured(mut ask: impl FnMut()) -> String {
    let spent = cpu_seconds();
    let mut times: Vec<_> = (0..51)
        .map(|_| {
            let start = Instant::now();
            ask();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    let cpu = (cpu_seconds() - spent) * 1e6 / 51.0;
    times.sort_unstable_by(f64::total_cmp);
    format!("[{:.0},{cpu:.0}]", times.get(25).copied().unwrap_or_default())
}

/// Processor's time of this thread, as Linux counts it; 0 elsewhere.
fn cpu_seconds() -> f64 {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let spent = spent.split_whitespace().next().and_then(|spent| spent.parse::<f64>().ok());
    spent.unwrap_or_default() / 1e9
}

/// The terms of the commonest and of rarer words.
fn questions() -> Vec<(&'static str, Vec<String>)> {
    let ranked = |rank: u32| format!("{:x}w", rank.wrapping_mul(2_654_435_761));
    let (rare, some) = (ranked(40_000), ranked(300));
    let questions: [(_, &[&str]); 7] = [
        ("rare", &[&rare, "album4000", "2003"]),
        ("rare_and_common", &[&rare, &some, "common0", "common1"]),
        ("some_and_common", &[&some, "common0", "common1", "common2"]),
        ("common", &["common0", "common1", "common2", "common3"]),
        ("common_and_all", &["common0", "common1", "common2", "jpg"]),
        ("one_common", &["common0"]),
        (
            "nine",
            &["common0", "common1", "common2", "common3", "jpg", "img", "2003", "album1", &rare],
        ),
    ];
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    questions.into_iter().map(|(name, words)| (name, owned(words))).collect()
}

fn ask(documents: u32, keys: &WordIndex, captions: &WordIndex) -> String {
    let slots: Vec<u32> = (0..documents).rev().collect();
    let (same, listed) = (Same(documents), Listed(slots.clone(), slots));
    let sources = (
        TextSource { index: keys, numbering: &same },
        TextSource { index: captions, numbering: &listed },
    );
    let half: Vec<u64> = (0..documents.div_ceil(64)).map(|_| 0x5555_5555_5555_5555).collect();
    let given: Vec<u32> = (0..documents).step_by(documents.div_ceil(1_500) as usize).collect();
    let mut times = Vec::new();
    for (name, words) in questions() {
        let asked = words.into_iter().map(|term| {
            let with = keys.documents_with(&term).max(captions.documents_with(&term));
            AskedTerm { term, weight: rarity(documents as usize, with) }
        });
        let terms: Vec<_> = asked.collect();
        let all = measured(|| {
            black_box(matching(&terms, sources, documents, None, 500));
        });
        let filtered = measured(|| {
            black_box(matching(&terms, sources, documents, Some(&half), 500));
        });
        let of = measured(|| {
            black_box(matches_of(&terms, sources, &given));
        });
        times.push(format!("\"{name}\":{all},\"{name}_half\":{filtered},\"{name}_of\":{of}"));
    }
    times.join(",")
}

/// Milliseconds to add 30 documents, a hundred times.
fn grow(documents: u32, captions: &WordIndex) -> f64 {
    let mut random = StdRng::seed_from_u64(8);
    let mut grown = captions.clone();
    let mut seconds = 0.0;
    for round in 0..100 {
        let first = documents + round * 30;
        let some: Vec<_> = (first..first + 30).map(|at| caption(at, &mut random)).collect();
        let start = cpu_seconds();
        grown = grown.with(&some);
        seconds += cpu_seconds() - start;
    }
    seconds * 1e3 / 100.0
}

#[expect(clippy::print_stdout, reason = "it is what this prints")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let documents: u32 = std::env::args().nth(1).map_or(Ok(1_000_000), |count| count.parse())?;
    let (keys, keys_seconds) = build(documents, key);
    let (captions, captions_seconds) = build(documents, caption);

    let mut stored = Vec::new();
    captions.save(&mut stored)?;
    let start = Instant::now();
    black_box(WordIndex::load(&stored)?);
    let load_seconds = start.elapsed().as_secs_f64();
    drop(stored);

    println!(
        "{{\"documents\":{documents},\"keys_bytes\":{},\"captions_bytes\":{},\"keys_s\":{:.1},\
         \"captions_s\":{:.1},\"load_s\":{:.3},\"with_30_ms\":{:.2},{}}}",
        keys.memory_bytes(),
        captions.memory_bytes(),
        keys_seconds,
        captions_seconds,
        load_seconds,
        grow(documents, &captions),
        ask(documents, &keys, &captions)
    );
    Ok(())
}
