//! Fills the tables, and maintains them as `ingest` does.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use crate::generator::{LATITUDES, LONGITUDES, RowGenerator, TAKEN_WITHIN_S};
use crate::raw::{RawFiles, read_vectors, write_vectors};
use crate::tables::GeneratedTables;
use crate::words::{FOLDERS, KEYWORDS, SHARES};

/// Rows of one commit.
const BATCH: usize = 20_000;
/// Query vectors, which are no rows, and texts to ask.
const QUERIES: usize = 4_000;
const TEXTS: usize = 20_000;

/// Beside the tables, `folder` gets the [files](crate::raw) of the rows, `queries.f32`,
/// `texts.json` and, last of all, `about.json` with the names and ranges that filters need.
pub(crate) async fn fill(
    tables: &GeneratedTables,
    folder: &Path,
    rows: usize,
    seed: u64,
) -> anyhow::Result<()> {
    let open = tables.open().await?;
    let centres = read_vectors(folder, "centres.f32", tables.space.dim)?;
    let mut generator = RowGenerator::new(centres, seed)?;
    let queries: Vec<Vec<f32>> = (0..QUERIES).map(|_| generator.vector()).collect();
    write_vectors(folder, "queries.f32", queries.into_iter())?;
    let mut raw = RawFiles::create(folder)?;
    let mut texts = BTreeSet::new();
    for first in (0..rows).step_by(BATCH) {
        let last = rows.min(first + BATCH);
        let batch: Vec<_> = (first..last).map(|number| generator.row(number as u64)).collect();
        raw.append(&batch)?;
        for row in batch.iter().step_by((rows / TEXTS).max(1)) {
            texts.insert(generator.text(&row.said));
        }
        open.append(batch).await?;
        eprintln!("{last} of {rows} rows");
    }
    raw.finish()?;
    open.maintain().await?;
    let about = json!({
        "rows": rows, "dim": tables.space.dim, "seed": seed,
        "shares": SHARES, "keywords": KEYWORDS, "folders": FOLDERS,
        "taken_within_s": TAKEN_WITHIN_S, "latitudes": LATITUDES, "longitudes": LONGITUDES,
    });
    std::fs::write(folder.join("texts.json"), serde_json::to_vec(&texts)?)?;
    Ok(std::fs::write(folder.join("about.json"), serde_json::to_vec(&about)?)?)
}
