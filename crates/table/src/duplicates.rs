//! Objects with the same bytes, which can be shown as one hit.

use serde::Serialize;
use utoipa::ToSchema;

use crate::schema::Facts;

/// Most duplicates that are named per hit. All are counted.
pub const MOST_NAMED: usize = 100;

/// One object with the same bytes as a hit.
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

/// The other objects with the same bytes as a hit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Duplicates {
    /// The first [`MOST_NAMED`] of them by bucket and key.
    pub named: Vec<Duplicate>,
    /// How many there are in all.
    pub total: usize,
}

impl Duplicates {
    /// All objects with one content, as the duplicates of one of them.
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
