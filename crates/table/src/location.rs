//! Where the tables are, and how a process opens them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lance::dataset::ReadParams;
use lance::io::ObjectStoreParams;
use lancedb::{ObjectStoreRegistry, Session};
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use serde::Deserialize;

use crate::error::TableError;
use crate::store::{BlockCache, StoreWrapper};

/// Address of the tables and the options with which object stores are reached. Debug output leaves
/// the options out, because they hold the secret key.
#[derive(Clone)]
pub struct Location {
    /// `s3://BUCKET/PREFIX`.
    pub uri: String,
    /// `aws_*` options, the same for LanceDB and for the store probe.
    pub options: Vec<(String, String)>,
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Location").field("uri", &self.uri).finish_non_exhaustive()
    }
}

/// `[cache]`: a cache of immutable parts of the tables on local disk, for processes that only read.
/// It may be deleted at any time, and nothing in it is trusted: a part whose checksum is wrong is
/// read from the store again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheSettings {
    /// Folder on local disk, which one process at a time uses; empty: no cache.
    pub folder: PathBuf,
    /// Bytes of the disk that the cache takes at most.
    pub size: u64,
}

/// Least size of a cache: fewer bytes leave no room to replace a part.
const LEAST_CACHE_BYTES: u64 = 64 << 20;

impl CacheSettings {
    /// What is wrong with the settings; `None` if nothing is.
    pub fn problem(&self) -> Option<&'static str> {
        let is_too_small = !self.folder.as_os_str().is_empty() && self.size < LEAST_CACHE_BYTES;
        is_too_small.then_some("cache.size must be at least 67108864 (64 MiB)")
    }
}

/// How fresh reads are and how much they may cache.
#[derive(Debug, Clone)]
pub struct Access {
    /// Up to this age a version of a table is reused without asking the store. Zero asks at every
    /// read.
    pub freshness: Duration,
    /// Capacity of the index cache in bytes.
    pub index_cache_bytes: usize,
    /// Capacity of the metadata cache in bytes.
    pub metadata_cache_bytes: usize,
    /// The cache on local disk, if there is one.
    pub disk_cache: Option<CacheSettings>,
}

impl Access {
    /// For processes that write. Every read sees the newest version. Caches are small, because a
    /// writer moves on to the next version all the time.
    pub fn writer() -> Self {
        Self {
            freshness: Duration::ZERO,
            index_cache_bytes: 64 << 20,
            metadata_cache_bytes: 128 << 20,
            disk_cache: None,
        }
    }

    /// For processes that only answer queries. The caches in memory are small, so that such a
    /// process fits into a gigabyte beside its own index. If it has none of its own and searches
    /// large tables, `index_cache_bytes` of 1 GiB keep the table library's index in memory.
    pub fn reader(freshness: Duration) -> Self {
        Self {
            freshness,
            index_cache_bytes: 64 << 20,
            metadata_cache_bytes: 64 << 20,
            disk_cache: None,
        }
    }

    /// With a cache on local disk, if the settings name a folder.
    pub fn with_cache(self, settings: &CacheSettings) -> Self {
        let is_on = !settings.folder.as_os_str().is_empty();
        Self { disk_cache: is_on.then(|| settings.clone()), ..self }
    }
}

/// The tables of one location, opened one by one. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pub(crate) connection: lancedb::Connection,
    pub(crate) location: Location,
    wrapper: Arc<StoreWrapper>,
}

impl Database {
    /// With these parameters, requests of an opened table are counted and cached.
    pub(crate) fn read_params(&self) -> ReadParams {
        let store = ObjectStoreParams {
            object_store_wrapper: Some(self.wrapper.clone()),
            ..ObjectStoreParams::default()
        };
        ReadParams { store_options: Some(store), ..ReadParams::default() }
    }

    /// Writes what the cache on local disk has not written yet, so that the next process finds it.
    /// Afterwards tables are read without that cache.
    pub async fn close(&self) {
        if let Some(cache) = &self.wrapper.cache {
            cache.close().await;
        }
    }
}

impl Location {
    /// The store, reached in the same way as by the table library, and the folder of the tables.
    pub(crate) fn store(&self) -> object_store::Result<(Arc<dyn ObjectStore>, Path)> {
        // Options that are not set come from the same sources as in the table library: environment,
        // pod, container or instance role.
        let mut builder = AmazonS3Builder::from_env().with_url(&self.uri);
        for (name, value) in &self.options {
            if let Ok(key) = name.parse() {
                builder = builder.with_config(key, value);
            }
        }
        let folder = Path::from(self.uri.splitn(4, '/').nth(3).unwrap_or_default());
        Ok((Arc::new(builder.build()?), folder))
    }

    /// Opens the database. Makes hardly any request, because tables are opened one by one. A cache
    /// on local disk that cannot be used is left out, and the log says why.
    ///
    /// # Errors
    /// The address or the options cannot be used.
    pub async fn connect(&self, access: Access) -> Result<Database, TableError> {
        let registry = Arc::new(ObjectStoreRegistry::default());
        let session = Session::new(access.index_cache_bytes, access.metadata_cache_bytes, registry);
        let connecting = lancedb::connect(&self.uri)
            .storage_options(self.options.iter().cloned())
            .session(Arc::new(session))
            .read_consistency_interval(access.freshness);
        let connection = connecting.execute().await.map_err(TableError::of("database"))?;
        let cache = match &access.disk_cache {
            Some(cache) => BlockCache::open(&cache.folder, cache.size).await.map(Arc::new),
            None => None,
        };
        let wrapper = Arc::new(StoreWrapper { cache });
        Ok(Database { connection, location: self.clone(), wrapper })
    }
}
