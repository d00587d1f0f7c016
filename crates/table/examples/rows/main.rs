//! Fills tables with generated rows, and asks the table library for the nearest of them. The
//! measurements of searches run it.
//!
//!     rows URI MODEL SPACE MANIFEST_HASH DIM CAPTIONER fill FOLDER ROWS SEED
//!     rows URI MODEL SPACE MANIFEST_HASH DIM CAPTIONER add FOLDER
//!     rows URI MODEL SPACE MANIFEST_HASH DIM CAPTIONER ask FOLDER FIRST COUNT NPROBES REFINE
//!     rows URI MODEL SPACE MANIFEST_HASH DIM CAPTIONER trickle FOLDER SECONDS PER_SECOND SEED
//!
//! `fill` and `trickle` draw vectors around the directions of `FOLDER/centres.f32`. The environment
//! variable TABLE_OPTIONS holds the options of the store, as a JSON object. Every picture gets the
//! file named by TABLE_THUMBNAIL as its thumbnail, or else some zero bytes.

#![allow(clippy::print_stdout, reason = "its output is its purpose")]

mod add;
mod ask;
mod fill;
mod generator;
mod raw;
mod tables;
mod trickle;
mod words;

use anyhow::{Context, bail};

use crate::tables::GeneratedTables;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [uri, model, space, manifest_hash, dim, captioner, what, folder, numbers @ ..] =
        arguments.as_slice()
    else {
        bail!("usage: rows URI MODEL SPACE MANIFEST_HASH DIM CAPTIONER COMMAND FOLDER NUMBER...");
    };
    let names = [uri, model, space, manifest_hash, captioner].map(String::as_str);
    let tables = GeneratedTables::at(names, dim.parse().context("DIM")?)?;
    let folder = std::path::Path::new(folder);
    let numbers: Vec<usize> = numbers
        .iter()
        .map(|text| text.parse().with_context(|| format!("'{text}' is no number")))
        .collect::<anyhow::Result<_>>()?;
    match (what.as_str(), numbers.as_slice()) {
        ("fill", &[rows, seed]) => fill::fill(&tables, folder, rows, seed as u64).await,
        ("add", []) => add::add(&tables, folder).await,
        ("ask", &[first, count, nprobes, refine]) => {
            ask::ask(&tables, folder, first..first + count, nprobes, refine).await
        }
        ("trickle", &[seconds, per_second, seed]) => {
            trickle::trickle(&tables, folder, seconds, per_second, seed as u64).await
        }
        _ => bail!("{what} with {} numbers is no command", numbers.len()),
    }
}
