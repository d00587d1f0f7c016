//! Objects that hold the same bytes, shown as one hit.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::embeddings::Hit;
use crate::schema::Facts;

/// Most duplicates named per hit; all are counted.
pub const MOST_NAMED: usize = 100;

/// One object that holds the same bytes as a hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
pub(crate) fn attach(hits: &mut [Hit], copies: Vec<Facts>) {
    let mut by_content: HashMap<String, Vec<Facts>> = HashMap::new();
    for copy in copies {
        by_content.entry(copy.content_hash.clone()).or_default().push(copy);
    }
    for hit in hits {
        let mut others = by_content.remove(&hit.facts.content_hash).unwrap_or_default();
        others.retain(|copy| copy.image_id != hit.facts.image_id);
        others.sort_by(|a, b| (&a.bucket, &a.key).cmp(&(&b.bucket, &b.key)));
        let total = others.len();
        others.truncate(MOST_NAMED);
        let named = others.into_iter().map(|Facts { image_id, bucket, key, etag, .. }| Duplicate { image_id, bucket, key, etag });
        hit.duplicates = Some(Duplicates { named: named.collect(), total });
    }
}
