//! Puts the layers of this folder before the store of every table that is opened.

use std::sync::Arc;

use lance::io::WrappingObjectStore;
use object_store::ObjectStore;
use object_store::list::PaginatedListStore;

use super::block_cache::BlockCache;
use super::cached_store::CachedStore;
use super::counted_store::{CountedLister, CountedStore};

/// Wraps the stores of one database.
#[derive(Debug)]
pub(crate) struct StoreWrapper {
    pub(crate) cache: Option<Arc<BlockCache>>,
}

impl WrappingObjectStore for StoreWrapper {
    fn wrap(&self, _prefix: &str, original: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        let counted: Arc<dyn ObjectStore> = Arc::new(CountedStore::new(original));
        match &self.cache {
            Some(cache) => Arc::new(CachedStore::new(counted, Arc::clone(cache))),
            None => counted,
        }
    }

    fn wrap_paginated(
        &self,
        _prefix: &str,
        original: Arc<dyn PaginatedListStore>,
    ) -> Option<Arc<dyn PaginatedListStore>> {
        Some(Arc::new(CountedLister::new(original)))
    }
}
