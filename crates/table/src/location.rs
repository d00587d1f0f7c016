//! Where the tables are, and how a process opens them.

use std::sync::Arc;
use std::time::Duration;

use lancedb::{ObjectStoreRegistry, Session};
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;

use crate::error::TableError;

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

/// How fresh reads are and how much they may cache.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// Up to this age a version of a table is reused without asking the store. Zero asks at every
    /// read.
    pub freshness: Duration,
    /// Capacity of the index cache in bytes.
    pub index_cache_bytes: usize,
    /// Capacity of the metadata cache in bytes.
    pub metadata_cache_bytes: usize,
}

impl Access {
    /// For processes that write. Every read sees the newest version. Caches are small, because a
    /// writer moves on to the next version all the time.
    pub fn writer() -> Self {
        Self {
            freshness: Duration::ZERO,
            index_cache_bytes: 64 << 20,
            metadata_cache_bytes: 128 << 20,
        }
    }

    /// For processes that only answer queries.
    pub fn reader(freshness: Duration) -> Self {
        Self { freshness, index_cache_bytes: 1 << 30, metadata_cache_bytes: 256 << 20 }
    }
}

/// The tables of one location, opened one by one. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pub(crate) connection: lancedb::Connection,
    pub(crate) location: Location,
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

    /// Opens the database. Makes hardly any request, because tables are opened one by one.
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
        Ok(Database { connection, location: self.clone() })
    }
}
