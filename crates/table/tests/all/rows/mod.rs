//! Rows and tables for tests, and searches as a reader does them. Not every test uses all of it.

#![allow(dead_code, reason = "each test file uses a part of this")]

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use table::Database;
use table::candidates::{Candidate, Candidates};
use table::embeddings::Embeddings;
use table::filter::Filter;
use table::location::Access;
use table::schema::{EmbeddingRow, Facts, Space};
use testkit::Store;

pub(crate) fn space(dim: usize) -> Space {
    Space { model: "tiny".into(), space: "tiny".into(), manifest_hash: "0".into(), dim }
}

pub(crate) fn facts(id: u128, key: &str, modified: i64) -> Facts {
    Facts {
        image_id: format!("{id:032x}"),
        bucket: "pictures".into(),
        key: key.into(),
        etag: format!("etag-{id}"),
        size_bytes: 10 + (id % 1_000_000) as u64,
        last_modified: Timestamp::from_second(modified).ok(),
        format: "png".into(),
        width: 30,
        height: 20,
        orientation: 6,
        taken_at: Timestamp::from_second(modified - 100).ok(),
        taken_offset_minutes: id.is_multiple_of(3).then_some(-210),
        camera: id.is_multiple_of(2).then(|| "Acme One".into()),
        latitude: Some(48.2),
        longitude: None,
        content_hash: format!("content-{id}"),
        phash: u64::MAX - id as u64,
    }
}

pub(crate) fn row(id: u128, key: &str, modified: i64, vector: impl Into<Vec<f32>>) -> EmbeddingRow {
    EmbeddingRow { facts: facts(id, key, modified), vector: vector.into() }
}

/// The candidates nearest to a vector in the newest version.
pub(crate) async fn nearest(table: &Embeddings, vector: &[f32], limit: usize) -> Candidates {
    let snapshot = table.pinned().await.unwrap();
    snapshot.candidates(vector, &Filter::default(), false, limit).await.unwrap().0
}

/// The candidates that are the newest version of their object, in their order.
pub(crate) async fn newest_only(
    snapshot: &Embeddings,
    candidates: Vec<Candidate>,
) -> Vec<Candidate> {
    let newest = snapshot.newest(&candidates).await.unwrap();
    let is_newest =
        |found: &Candidate| newest[&(found.bucket.clone(), found.key.clone())] == found.image_id;
    candidates.into_iter().filter(is_newest).collect()
}

/// The objects nearest to a vector in the newest version, among this many candidates.
pub(crate) async fn nearest_objects(
    table: &Embeddings,
    vector: &[f32],
    filter: &Filter,
    limit: usize,
) -> Vec<Candidate> {
    let snapshot = table.pinned().await.unwrap();
    let found = snapshot.candidates(vector, filter, false, limit).await.unwrap().0;
    newest_only(&snapshot, found.best).await
}

pub(crate) fn keys(found: &[Candidate]) -> Vec<&str> {
    found.iter().map(|candidate| candidate.key.as_str()).collect()
}

pub(crate) async fn open() -> (Store, Database) {
    let store = Store::start().await;
    let database = store.tables().connect(Access::writer()).await.unwrap();
    (store, database)
}

/// Unit vectors around some centres, as a model makes them of a few kinds of pictures. The same at
/// every run.
pub(crate) struct Clusters {
    random: StdRng,
    centres: Vec<Vec<f32>>,
}

impl Clusters {
    pub(crate) fn new(count: usize, dim: usize) -> Self {
        let mut random = StdRng::seed_from_u64(7);
        let centres = (0..count)
            .map(|_| (0..dim).map(|_| random.random_range(-1.0..1.0)).collect())
            .collect();
        Self { random, centres }
    }

    pub(crate) fn vector(&mut self) -> Vec<f32> {
        let centre = &self.centres[self.random.random_range(0..self.centres.len())];
        let near: Vec<f32> =
            centre.iter().map(|x| x + self.random.random_range(-0.6..0.6)).collect();
        unit(near)
    }
}

pub(crate) fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.into_iter().map(|x| x / length).collect()
}

pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
