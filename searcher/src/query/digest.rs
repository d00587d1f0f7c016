//! The digest by which a cursor recognises its search.

use serde::Serialize;
use table::filter::Filter;

use super::example::Example;
use super::search_query::SearchQuery;
use super::weights::Weights;

/// Digest of everything that decides which hits a search has, and in which order. The page does not
/// count: all pages of a search have the same digest.
pub(super) fn digest(query: &SearchQuery) -> String {
    #[derive(Serialize)]
    struct DigestedOptions<'a> {
        filter: &'a Filter,
        weights: &'a Option<Weights>,
        ways: String,
        min_score: Option<f32>,
    }
    let SearchQuery { collapse, fusion, cutoff, sort, min_score, .. } = query;
    let ways = format!("{collapse:?} {fusion:?} {cutoff:?} {sort:?}");
    let options = DigestedOptions {
        filter: &query.filter,
        weights: &query.weights,
        ways,
        min_score: *min_score,
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&serde_json::to_vec(&options).unwrap_or_default());
    for (example, weight) in &query.examples {
        hasher.update(&weight.to_le_bytes());
        match example {
            Example::Text(text) => hasher
                .update(b"text")
                .update(&(text.len() as u64).to_le_bytes())
                .update(text.as_bytes()),
            Example::Image(bytes) => hasher.update(b"image").update(blake3::hash(bytes).as_bytes()),
            Example::ImageUrl(url) => hasher.update(b"url").update(url.as_str().as_bytes()),
            Example::ImageId(id) => hasher.update(b"id").update(id.as_bytes()),
            Example::Vector(values) => {
                hasher.update(b"vector").update(&(values.len() as u64).to_le_bytes());
                values.iter().fold(&mut hasher, |hasher, value| hasher.update(&value.to_le_bytes()))
            }
        };
    }
    hasher.finalize().to_hex()[..16].to_owned()
}
