//! Measures the nearest vectors: recall, times and memory, on made-up vectors.
//!
//! `cargo run --release -p snapshot --example nearest -- ROWS DIMENSION SEED [SET [FOLDER]]` prints
//! a table, and last one line of JSON. Besides the clustered set, on which the other numbers are
//! taken, it measures recall on two hard ones: without any clusters, and with text-like queries.

#![allow(clippy::print_stdout)]

mod made_up;

use std::collections::HashSet;
use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use rand::Rng;
use snapshot::vectors::{Allowed, VectorFile, Vectors};

use crate::made_up::{Maker, Set};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Queries of each measurement, and rounds of which the best is told.
const QUERIES: usize = 200;
const ROUNDS: usize = 5;

/// The best ones that recall is about.
const WANTED: usize = 10;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let rows: usize = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let dim: usize = arguments.next().map_or(Ok(512), |text| text.parse())?;
    let seed: u64 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let only = arguments.next().unwrap_or_default();
    let folder = arguments.next();
    let mut json = format!("{{\"rows\":{rows},\"dimension\":{dim},\"seed\":{seed}");
    for (name, set) in [("clustered", Set::Clustered), ("plain", Set::Plain), ("text", Set::Text)] {
        if !name.starts_with(&only) {
            continue;
        }
        println!("== {name}, {rows} x {dim}");
        let folder = folder.as_deref().map(std::path::Path::new);
        measure(name, Maker::new(set, dim, seed), rows, folder, &mut json)?;
    }
    println!("{json}}}");
    Ok(())
}

fn measure(
    name: &str,
    mut maker: Maker,
    rows: usize,
    folder: Option<&std::path::Path>,
    json: &mut String,
) -> Outcome<()> {
    let file = Arc::new(VectorFile::anonymous(folder, maker.dim)?);
    let mut vectors = Vectors::empty(Arc::clone(&file));
    let started = Instant::now();
    let mut making = 0.0;
    for from in (0..rows).step_by(8192) {
        let made = Instant::now();
        let batch: Vec<(u32, Vec<f32>)> =
            (from..rows.min(from + 8192)).map(|slot| (slot as u32, maker.vector(false))).collect();
        making += made.elapsed().as_secs_f64();
        vectors = vectors.with(&batch)?;
    }
    told(json, name, "added_s", started.elapsed().as_secs_f64() - making);
    let (started, used) = (Instant::now(), processor_seconds());
    vectors = vectors.listed()?;
    told(json, name, "listed_s", started.elapsed().as_secs_f64());
    told(json, name, "listed_cpu_s", processor_seconds() - used);
    told(json, name, "memory_mb", vectors.memory_bytes() as f64 / 1e6);
    let queries: Vec<Vec<f32>> = (0..QUERIES).map(|_| maker.vector(true)).collect();
    searches(name, "all", &vectors, &queries, None, WANTED, json)?;
    if matches!(maker.set, Set::Clustered) {
        for wanted in [100, 1000] {
            searches(name, &format!("all_{wanted}"), &vectors, &queries, None, wanted, json)?;
        }
    }
    for (kept, share) in [("50", 0.5), ("10", 0.1), ("2", 0.02), ("1", 0.01), ("01", 0.001)] {
        let slots = (0..rows as u32).filter(|_| maker.random.random::<f64>() < share);
        let allowed: Allowed = slots.collect();
        searches(name, &format!("keep{kept}"), &vectors, &queries, Some(&allowed), WANTED, json)?;
    }
    if matches!(maker.set, Set::Clustered) {
        changes(name, &mut maker, vectors, rows, json)?;
    }
    Ok(())
}

fn searches(
    name: &str,
    what: &str,
    vectors: &Vectors,
    queries: &[Vec<f32>],
    allowed: Option<&Allowed>,
    wanted: usize,
    json: &mut String,
) -> Outcome<()> {
    let mut found = Vec::new();
    // Of each query the quickest round counts: other processes may use this processor too.
    let mut times = vec![f64::INFINITY; queries.len()];
    for _ in 0..ROUNDS {
        found.clear();
        for (query, time) in queries.iter().zip(&mut times) {
            let started = Instant::now();
            found.push(vectors.nearest(query, allowed, wanted)?);
            *time = time.min(started.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    let (p50, p95) = (times[times.len() / 2], times[times.len() * 95 / 100]);
    let exact = exact(vectors, queries, allowed, wanted)?;
    let (mut right, mut all) = (0, 0);
    for (found, exact) in found.iter().zip(&exact) {
        let found: HashSet<u32> = found.iter().map(|near| near.slot).collect();
        right += exact.iter().filter(|slot| found.contains(slot)).count();
        all += exact.len();
    }
    told(json, name, &format!("{what}_recall"), f64::from(right as u32) / f64::from(all as u32));
    told(json, name, &format!("{what}_p50_ms"), p50);
    told(json, name, &format!("{what}_p95_ms"), p95);
    Ok(())
}

/// The nearest slots of each query by comparing everything, which `estimates` narrows.
fn exact(
    vectors: &Vectors,
    queries: &[Vec<f32>],
    allowed: Option<&Allowed>,
    wanted: usize,
) -> Outcome<Vec<Vec<u32>>> {
    let bound = vectors.estimate_error();
    queries
        .iter()
        .map(|query| {
            let mut estimates = Vec::new();
            vectors.estimates(query, allowed, |slot, cosine| estimates.push((cosine, slot)))?;
            let last = wanted.min(estimates.len()).saturating_sub(1);
            if estimates.is_empty() {
                return Ok(Vec::new());
            }
            estimates.select_nth_unstable_by(last, |a, b| b.0.total_cmp(&a.0));
            let first: Vec<u32> = estimates[..=last].iter().map(|(_, slot)| *slot).collect();
            let cosines = vectors.cosines(query, &first)?;
            let least = cosines.iter().flatten().copied().fold(f32::INFINITY, f32::min);
            estimates.retain(|(cosine, _)| cosine + bound >= least);
            let slots: Vec<u32> = estimates.iter().map(|(_, slot)| *slot).collect();
            let cosines = vectors.cosines(query, &slots)?;
            let mut near: Vec<(f32, u32)> = cosines.into_iter().flatten().zip(slots).collect();
            near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            Ok(near.into_iter().take(wanted).map(|(_, slot)| slot).collect())
        })
        .collect()
}

/// Small changes, listing again, saving and loading.
fn changes(
    name: &str,
    maker: &mut Maker,
    mut vectors: Vectors,
    rows: usize,
    json: &mut String,
) -> Outcome<()> {
    let batches: Vec<Vec<(u32, Vec<f32>)>> = (0..100)
        .map(|batch| {
            (0..10).map(|row| ((rows + batch * 10 + row) as u32, maker.vector(false))).collect()
        })
        .collect();
    let started = Instant::now();
    for batch in &batches {
        vectors = vectors.with(batch)?;
    }
    told(json, name, "with_10_ms", started.elapsed().as_secs_f64() * 10.0);
    let started = Instant::now();
    let listed = vectors.listed()?;
    told(json, name, "listed_again_s", started.elapsed().as_secs_f64());
    let started = Instant::now();
    vectors = vectors.adopt_lists(&listed)?;
    told(json, name, "adopted_s", started.elapsed().as_secs_f64());
    let mut saved = Vec::new();
    vectors.save(&mut saved)?;
    told(json, name, "saved_mb", saved.len() as f64 / 1e6);
    let started = Instant::now();
    let loaded = Vectors::load(&saved[..], Arc::clone(vectors.file()))?;
    told(json, name, "loaded_s", started.elapsed().as_secs_f64());
    assert_eq!(loaded.len(), vectors.len());
    Ok(())
}

/// Seconds of processors that this process has used; 0 where they are not told.
fn processor_seconds() -> f64 {
    let told = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = told.rsplit(')').next().unwrap_or_default();
    let ticks = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn told(json: &mut String, set: &str, what: &str, value: f64) {
    println!("{what:>18} {value:>10.4}");
    // Writing to a string does not fail.
    let _ = write!(json, ",\"{set}_{what}\":{value:.4}");
}
