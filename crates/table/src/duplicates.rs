//! Objects that hold the same bytes, shown as one hit.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use utoipa::ToSchema;

use crate::embeddings::Hit;
use crate::schema::Facts;

/// Most duplicates named per hit; all are counted.
pub const MOST_NAMED: usize = 100;

/// One object that holds the same bytes as a hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Duplicate {
    /// Identity.
    pub image_id: String,
    /// Bucket name.
    pub bucket: String,
    /// Object key.
    pub key: String,
    /// ETag without quotes.
    pub etag: String,
}

/// The other objects that hold the same bytes as a hit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Duplicates {
    /// The first [`MOST_NAMED`] of them by bucket and key.
    pub named: Vec<Duplicate>,
    /// How many there are.
    pub total: usize,
}

/// The first hit of each content; their order stays.
pub(crate) fn first_of_each(hits: Vec<Hit>) -> Vec<Hit> {
    let mut seen = HashSet::new();
    hits.into_iter().filter(|hit| seen.insert(hit.facts.content_hash.clone())).collect()
}

/// Gives each hit those of the copies that hold its bytes, itself left out.
pub(crate) fn attach(hits: &mut [Hit], mut copies: HashMap<String, Vec<Facts>>) {
    for hit in hits {
        let others = copies.remove(&hit.facts.content_hash).unwrap_or_default();
        hit.duplicates = Some(Duplicates::of(&hit.facts.image_id, others));
    }
}

impl Duplicates {
    /// Copies of one content, as the duplicates of one of them.
    pub fn of(image_id: &str, mut copies: Vec<Facts>) -> Self {
        copies.retain(|copy| copy.image_id != image_id);
        copies.sort_by(|a, b| (&a.bucket, &a.key).cmp(&(&b.bucket, &b.key)));
        let total = copies.len();
        copies.truncate(MOST_NAMED);
        let named = copies.into_iter().map(|Facts { image_id, bucket, key, etag, .. }| Duplicate {
            image_id,
            bucket,
            key,
            etag,
        });
        Self { named: named.collect(), total }
    }
}
