//! The places of all pictures that come after the candidates, in their order: for pages deep down.
//! Putting them in order costs the same for every page, so the order is kept for the next one.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use super::order::HitPlace;
use crate::snapshot::TableVersions;

/// Bytes of all orders that are kept: that of a million pictures, or several smaller ones.
const MAX_BYTES: u64 = 64 << 20;
const KEPT_FOR: Duration = Duration::from_secs(60);

/// What an order is of: the search, the versions of the tables and the model.
pub(crate) type WalkKey = (String, TableVersions, String);

/// The orders of the last deep pages.
pub(crate) struct Walks(Cache<WalkKey, Arc<Vec<HitPlace>>>);

impl Default for Walks {
    fn default() -> Self {
        let bytes = |_: &WalkKey, walk: &Arc<Vec<HitPlace>>| {
            u32::try_from(walk.len() * size_of::<HitPlace>()).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder().max_capacity(MAX_BYTES).weigher(bytes);
        Self(cache.time_to_idle(KEPT_FOR).build())
    }
}

impl Walks {
    /// An order that is kept.
    pub(crate) async fn get(&self, key: &WalkKey) -> Option<Arc<Vec<HitPlace>>> {
        self.0.get(key).await
    }

    /// Keeps an order.
    pub(crate) async fn keep(&self, key: WalkKey, walk: &Arc<Vec<HitPlace>>) {
        self.0.insert(key, Arc::clone(walk)).await;
    }
}
