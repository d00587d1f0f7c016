//! Adds rows that another program made: `rows.jsonl`, `pictures.f32` and `captions.f32`.

use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use serde::Deserialize;
use table::captions::CaptionText;
use table::schema::Facts;

use crate::generator::{GeneratedRow, id};
use crate::raw::read_vectors;
use crate::tables::GeneratedTables;

const BATCH: usize = 20_000;
/// Tells their ids from those of other generated rows.
const SEED: u64 = 0xadd;

/// A line of `rows.jsonl`.
#[derive(Deserialize)]
struct AddedRow {
    key: String,
    caption: String,
    language: String,
    /// As (language, sentence).
    others: Vec<(String, String)>,
    keywords: Vec<String>,
}

pub(crate) async fn add(tables: &GeneratedTables, folder: &Path) -> anyhow::Result<()> {
    let dim = tables.space.dim;
    let pictures = read_vectors(folder, "pictures.f32", dim)?;
    let captions = read_vectors(folder, "captions.f32", dim)?;
    let path = folder.join("rows.jsonl");
    let lines = std::fs::read_to_string(&path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let said: Vec<AddedRow> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    anyhow::ensure!(
        pictures.len() == said.len() && captions.len() == said.len(),
        "{} rows, {} vectors of pictures and {} of captions",
        said.len(),
        pictures.len(),
        captions.len()
    );
    let open = tables.open().await?;
    let vectors = pictures.into_iter().zip(captions);
    let mut rows = (0..)
        .zip(said.into_iter().zip(vectors))
        .map(|(number, (said, vectors))| row(number, said, vectors));
    loop {
        let batch: Vec<GeneratedRow> = rows.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        open.append(batch).await?;
    }
    open.maintain().await
}

fn row(number: u64, said: AddedRow, (picture, caption): (Vec<f32>, Vec<f32>)) -> GeneratedRow {
    let id = id(SEED, number);
    let facts = Facts {
        image_id: id.clone(),
        bucket: "generated".into(),
        key: said.key,
        etag: number.to_string(),
        size_bytes: 100_000,
        last_modified: Some(Timestamp::UNIX_EPOCH),
        format: "jpeg".into(),
        width: 512,
        height: 384,
        orientation: 1,
        taken_at: None,
        taken_offset_minutes: None,
        camera: None,
        latitude: None,
        longitude: None,
        content_hash: format!("{id}{id}"),
        phash: number,
    };
    let said = CaptionText {
        caption: said.caption,
        language: said.language,
        others: said.others,
        keywords: said.keywords,
        provider: "generated".into(),
        prompt_hash: "0".into(),
    };
    GeneratedRow { facts, said, picture, caption, folder: 0, keywords: 0 }
}
