//! Fills tables with generated rows and asks the table library alone: what `just
//! bench search-latency` compares searches with.
//!
//!     rows URI MODEL SPACE MANIFEST_HASH DIM CAPTIONER fill ROWS
//!     rows URI MODEL SPACE MANIFEST_HASH DIM CAPTIONER ask QUERIES
//!
//! Options of the store come from the environment variable TABLE_OPTIONS, as a JSON object; all
//! pictures get the file that TABLE_THUMBNAIL names as their thumbnail, or some bytes that are
//! none.

#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, bail};
use futures::TryStreamExt;
use jiff::Timestamp;
use lancedb::DistanceType;
use lancedb::query::{ExecutableQuery, QueryBase, Select};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use table::captions::{CaptionRow, Captions, Said};
use table::embeddings::{self, Embeddings};
use table::images::Images;
use table::location::{Access, Location};
use table::maintain::{MaintenancePlan, compact, index};
use table::schema::{EmbeddingRow, Facts, ImageRow, Space};

/// Rows of one commit.
const BATCH: usize = 10_000;
/// Directions around which vectors lie, as pictures of some kinds do.
const KINDS: usize = 500;
const THUMBNAIL_BYTES: usize = 4000;
/// Pictures are taken over so many seconds since 1970, in no order.
const TAKEN_WITHIN: i64 = 50 * 365 * 24 * 3600;

const COLOURS: [&str; 8] = ["red", "orange", "yellow", "green", "blue", "purple", "white", "black"];
const THINGS: [&str; 10] =
    ["car", "house", "tree", "cat", "fish", "boat", "balloon", "flower", "star", "ball"];
const PLACES: [&str; 5] =
    ["on the beach", "in the forest", "in the city", "in the mountains", "in the desert"];
const TIMES: [&str; 3] = ["in the daytime", "at sunset", "at night"];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [uri, model, space, manifest_hash, dim, captioner, what, count] = arguments.as_slice()
    else {
        bail!("usage: rows URI MODEL SPACE MANIFEST_HASH DIM CAPTIONER fill|ask COUNT");
    };
    let options: BTreeMap<String, String> =
        serde_json::from_str(&std::env::var("TABLE_OPTIONS").context("TABLE_OPTIONS")?)?;
    let location = Location { uri: uri.clone(), options: options.into_iter().collect() };
    let (dim, count): (usize, usize) = (dim.parse()?, count.parse()?);
    let space = Space {
        model: model.clone(),
        space: space.clone(),
        manifest_hash: manifest_hash.clone(),
        dim,
    };
    match what.as_str() {
        "fill" => fill(&location, space, captioner, count).await,
        "ask" => ask(&location, &space, count).await,
        _ => bail!("{what} is neither fill nor ask"),
    }
}

async fn fill(
    location: &Location,
    space: Space,
    captioner: &str,
    rows: usize,
) -> anyhow::Result<()> {
    let database = location.connect(Access::writer()).await?;
    let embeddings = Embeddings::open_or_create(&database, space.clone()).await?;
    let captions = Captions::open_or_create(&database, captioner, space.clone()).await?;
    let images = Images::open_or_create(&database).await?;
    let thumbnail = match std::env::var("TABLE_THUMBNAIL").unwrap_or_default().as_str() {
        "" => vec![0; THUMBNAIL_BYTES],
        file => std::fs::read(file)
            .with_context(|| format!("TABLE_THUMBNAIL '{file}' cannot be read"))?,
    };
    let mut random = StdRng::seed_from_u64(7);
    let kinds: Vec<Vec<f32>> = (0..KINDS).map(|_| direction(&mut random, space.dim)).collect();
    for first in (0..rows).step_by(BATCH) {
        let facts: Vec<Facts> =
            (first..rows.min(first + BATCH)).map(|number| facts(&mut random, number)).collect();
        let vectors: Vec<Vec<f32>> = facts.iter().map(|_| near(&mut random, &kinds)).collect();
        let pictures = facts
            .iter()
            .zip(&vectors)
            .map(|(facts, vector)| EmbeddingRow { facts: facts.clone(), vector: vector.clone() });
        embeddings.append(&pictures.collect::<Vec<_>>(), "generated").await?;
        let said = facts.iter().zip(&vectors).map(|(facts, vector)| {
            let (said, vector) =
                (said(&mut random), near(&mut random, std::slice::from_ref(vector)));
            CaptionRow { facts: facts.clone(), said, vector }
        });
        captions.append(&said.collect::<Vec<_>>(), "generated").await?;
        let thumbnails =
            facts.into_iter().map(|facts| ImageRow { facts, thumbnail: thumbnail.clone() });
        images.append(&thumbnails.collect::<Vec<_>>(), "generated").await?;
    }
    let settings = MaintenancePlan::default();
    for ledger in [embeddings.ledger(), captions.ledger(), images.ledger()] {
        compact(ledger, &settings).await?;
        index(ledger, &settings).await?;
    }
    Ok(())
}

/// The nearest ten, as the table library finds them by default through the index.
async fn ask(location: &Location, space: &Space, queries: usize) -> anyhow::Result<()> {
    let database = lancedb::connect(&location.uri)
        .storage_options(location.options.iter().cloned())
        .execute()
        .await?;
    let table = database.open_table(embeddings::name(&space.model)).execute().await?;
    let mut random = StdRng::seed_from_u64(11);
    let mut took = Vec::new();
    for query in 0..queries + queries / 10 {
        let vector = direction(&mut random, space.dim);
        let begun = Instant::now();
        let search = table
            .vector_search(vector)?
            .distance_type(DistanceType::Cosine)
            .column("vector")
            .limit(10);
        let found: Vec<_> = search
            .select(Select::columns(&["image_id", "_distance"]))
            .execute()
            .await?
            .try_collect()
            .await?;
        anyhow::ensure!(
            found.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>() == 10,
            "ten rows are expected"
        );
        if query >= queries / 10 {
            took.push(begun.elapsed().as_secs_f64());
        }
    }
    println!("{}", serde_json::to_string(&took)?);
    Ok(())
}

fn direction(random: &mut StdRng, dim: usize) -> Vec<f32> {
    unit((0..dim).map(|_| random.random_range(-1.0..1.0)).collect())
}

fn near(random: &mut StdRng, kinds: &[Vec<f32>]) -> Vec<f32> {
    let kind = kinds.choose(random).map_or(&[] as &[f32], Vec::as_slice);
    unit(kind.iter().map(|x| x + random.random_range(-0.08..0.08)).collect())
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.into_iter().map(|x| x / length).collect()
}

fn facts(random: &mut StdRng, number: usize) -> Facts {
    let id: u128 = random.random();
    Facts {
        image_id: format!("{id:032x}"),
        bucket: "generated".into(),
        key: format!("album-{:03}/IMG_{number:06}.jpg", number % 300),
        etag: format!("{number}"),
        size_bytes: 2_000_000,
        last_modified: Some(Timestamp::UNIX_EPOCH),
        format: "jpeg".into(),
        width: 4000,
        height: 3000,
        orientation: 1,
        taken_at: Timestamp::from_second(random.random_range(0..TAKEN_WITHIN)).ok(),
        taken_offset_minutes: None,
        camera: None,
        latitude: None,
        longitude: None,
        content_hash: format!("{id:032x}"),
        phash: id as u64,
    }
}

fn said(random: &mut StdRng) -> Said {
    let mut one_of = |words: &[&'static str]| words.choose(random).copied().unwrap_or_default();
    let (colour, thing, place, time) =
        (one_of(&COLOURS), one_of(&THINGS), one_of(&PLACES), one_of(&TIMES));
    Said {
        caption: format!("a {colour} {thing} {place} {time}"),
        language: "en".into(),
        others: Vec::new(),
        keywords: vec![colour.into(), thing.into()],
        provider: "generated".into(),
        prompt_hash: "0".into(),
    }
}
