//! Times searches by the table library alone.

use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use arrow::array::{Array, RecordBatch, StringArray};
use futures::TryStreamExt;
use lancedb::DistanceType;
use lancedb::query::{ExecutableQuery, QueryBase, Select};
use serde_json::json;
use table::embeddings;

use crate::raw::read_vectors;
use crate::tables::GeneratedTables;

const TOP: usize = 10;
/// Searches that warm up.
const WARM_UP: usize = 20;

/// Asks for the nearest ten rows of these vectors of `FOLDER/queries.f32`, one after the other,
/// through the index. Prints seconds and the ids found. The caches are the library's own, and the
/// index is read into them first.
pub(crate) async fn ask(
    tables: &GeneratedTables,
    folder: &Path,
    numbers: Range<usize>,
    nprobes: usize,
    refine: usize,
) -> anyhow::Result<()> {
    let database = lancedb::connect(&tables.location.uri)
        .storage_options(tables.location.options.iter().cloned())
        .execute()
        .await?;
    let table = database.open_table(embeddings::name(&tables.space.model)).execute().await?;
    for index in table.list_indices().await? {
        if index.columns == ["vector"] {
            table.prewarm_index(&index.name).await?;
        }
    }
    let all = read_vectors(folder, "queries.f32", tables.space.dim)?;
    let queries = all.get(numbers).unwrap_or_default();
    anyhow::ensure!(!queries.is_empty(), "there are only {} query vectors", all.len());
    let (mut took, mut found) = (Vec::new(), Vec::new());
    // What warms up are other vectors than those that are timed.
    let warm_up = all.iter().rev().take(WARM_UP);
    for (number, vector) in warm_up.chain(queries).enumerate() {
        let begun = Instant::now();
        let search = table
            .vector_search(vector.as_slice())?
            .distance_type(DistanceType::Cosine)
            .column("vector")
            .limit(TOP)
            .nprobes(nprobes)?
            .refine_factor(refine as u32)
            .select(Select::columns(&["image_id", "_distance"]));
        let batches: Vec<RecordBatch> = search.execute().await?.try_collect().await?;
        let seconds = begun.elapsed().as_secs_f64();
        if number >= WARM_UP {
            took.push(seconds);
            found.push(ids(&batches));
        }
    }
    println!("{}", json!({ "took_s": took, "ids": found }));
    Ok(())
}

fn ids(batches: &[RecordBatch]) -> Vec<String> {
    let columns = batches
        .iter()
        .filter_map(|batch| batch.column_by_name("image_id"))
        .filter_map(|column| column.as_any().downcast_ref::<StringArray>());
    columns.flat_map(|ids| ids.iter().flatten().map(str::to_owned)).collect()
}
