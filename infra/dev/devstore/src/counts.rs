//! How many requests the store got, by their kind and the folder of their key. For measurements:
//! `GET /-/requests`, which needs no key, answers all counts since the start as JSON, such as
//! `{"GET pictures/tables/images.lance/data": 12, "LIST pictures/photos/": 1}`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use hyper::{Method, Uri};
use url::form_urlencoded;

/// The path of the counts. It is no bucket, whose name needs three characters.
pub(crate) const PATH: &str = "/-/requests";
/// Folders that are counted apart; all further ones are counted together.
const MOST_FOLDERS: usize = 10_000;
const FURTHER: &str = "further folders";

/// The counts since the start.
#[derive(Default)]
pub(crate) struct RequestCounts(Mutex<BTreeMap<String, u64>>);

impl RequestCounts {
    /// Counts a request. Its kind is its method, or `LIST` for a listing.
    pub(crate) fn add(&self, method: &Method, uri: &Uri) {
        let named = name(method, uri);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = counts.len() < MOST_FOLDERS || counts.contains_key(&named);
        *counts.entry(if known { named } else { FURTHER.to_owned() }).or_default() += 1;
    }

    pub(crate) fn to_json(&self) -> String {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::json!(*counts).to_string()
    }
}

fn name(method: &Method, uri: &Uri) -> String {
    let path = uri.path().trim_start_matches('/');
    let mut query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    if query.clone().any(|(name, _)| name == "list-type") {
        let prefix = query.find(|(name, _)| name == "prefix").map(|(_, prefix)| prefix);
        return format!("LIST {}/{}", path.trim_end_matches('/'), prefix.unwrap_or_default());
    }
    let folder = path.rsplit_once('/').map_or(path, |(folder, _)| folder);
    format!("{method} {folder}")
}
