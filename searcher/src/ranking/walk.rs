//! All pictures that come after the candidates, in their order: for pages deep down. Putting them
//! in order costs the same for every page, so the order is kept for the next one.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use super::fusion::{FusedPicture, Fuser, Ranks, least_strength};
use super::scored::ScoredPicture;
use crate::snapshot::TableVersions;

/// Bytes of all orders that are kept.
const MAX_BYTES: u64 = 64 << 20;
const KEPT_FOR: Duration = Duration::from_secs(60);

/// What an order is of: the search, the versions of the tables and the model.
pub(crate) type WalkKey = (String, TableVersions, String);

/// The orders of the last deep pages.
pub(crate) struct Walks(Cache<WalkKey, Arc<Vec<FusedPicture>>>);

impl Default for Walks {
    fn default() -> Self {
        let bytes = |_: &WalkKey, walk: &Arc<Vec<FusedPicture>>| {
            u32::try_from(walk.len() * size_of::<FusedPicture>()).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder().max_capacity(MAX_BYTES).weigher(bytes);
        Self(cache.time_to_idle(KEPT_FOR).build())
    }
}

impl Walks {
    /// An order that is kept.
    pub(crate) async fn get(&self, key: &WalkKey) -> Option<Arc<Vec<FusedPicture>>> {
        self.0.get(key).await
    }

    /// Keeps an order.
    pub(crate) async fn keep(&self, key: WalkKey, walk: &Arc<Vec<FusedPicture>>) {
        self.0.insert(key, Arc::clone(walk)).await;
    }
}

/// Puts pictures in their order; those that are cut off are left out. `candidates` are those that
/// come before them.
pub(super) fn ordered(
    fuser: &Fuser,
    pictures: &[ScoredPicture],
    candidates: &[FusedPicture],
    cuts: bool,
) -> Vec<FusedPicture> {
    let mut fused = fuser.fuse(pictures, &Ranks::new());
    if cuts {
        let least = least_strength(candidates);
        fused.retain(|fused| fused.is_relevant && fused.strength >= least);
    }
    fused
}
