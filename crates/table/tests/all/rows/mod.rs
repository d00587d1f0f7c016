//! Rows and tables made on the spot. Not every test uses all of it.

#![allow(dead_code, reason = "each test file uses a part of this")]

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use table::Database;
use table::embeddings::VectorQuery;
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

pub(crate) fn query(vector: impl Into<Vec<f32>>, top_k: usize) -> VectorQuery {
    let filter = Filter::default();
    VectorQuery {
        vector: vector.into(),
        offset: 0,
        top_k,
        min_score: None,
        filter,
        collapse: false,
        exact: false,
    }
}

pub(crate) async fn open() -> (Store, Database) {
    let store = Store::start().await;
    let database = store.tables().connect(Access::writer()).await.unwrap();
    (store, database)
}

/// Unit vectors around some centres, the same at every run: what pictures of a few kinds look like
/// to a model.
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
