//! Appends a few rows again and again, as workers do while people search.

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::generator::RowGenerator;
use crate::raw::read_vectors;
use crate::tables::GeneratedTables;

/// Rows of one commit.
const ROWS: u64 = 3;
/// The first number of such a row, beyond those of filled tables.
const FIRST: u64 = 1_000_000_000;

/// Commits so many times a second to the tables of vectors and of captions, and catches up where a
/// commit took longer. After each it prints a line of JSON: the id and vector of one of its rows,
/// and when it was committed, in seconds since 1970.
pub(crate) async fn trickle(
    tables: &GeneratedTables,
    folder: &Path,
    seconds: usize,
    per_second: usize,
    seed: u64,
) -> anyhow::Result<()> {
    anyhow::ensure!(per_second > 0, "no commit a second");
    let open = tables.open().await?;
    let centres = read_vectors(folder, "centres.f32", tables.space.dim)?;
    let mut generator = RowGenerator::new(centres, seed)?;
    let mut beat = tokio::time::interval(Duration::from_secs(1) / per_second as u32);
    for commit in 0..(seconds * per_second) as u64 {
        beat.tick().await;
        let first = FIRST + commit * ROWS;
        let rows: Vec<_> = (first..first + ROWS).map(|number| generator.row(number)).collect();
        let shown = rows.first().map(|row| (row.facts.image_id.clone(), row.picture.clone()));
        open.append_vectors(rows).await?;
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
        if let Some((image_id, vector)) = shown {
            println!("{}", json!({ "image_id": image_id, "vector": vector, "committed_at": at }));
        }
    }
    Ok(())
}
