//! Creating a table exactly once, however many processes start together.
//!
//! The table library does not guard creation: a second process that creates a table at the wrong
//! moment commits an overwrite on top of the first process's version, and the rows appended in
//! between are gone. So a process first takes a lock on the bucket. Taking it is creating a key,
//! the one operation that the store is proven to do atomically (see the probe).

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use lancedb::database::CreateTableMode;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload, UpdateVersion};

use crate::error::TableError;
use crate::ledger::{Ledger, with_id};
use crate::location::Database;

// A creation takes well under a second; the holder of a lock this old has died.
const ABANDONED: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(600);

/// Opens a table, creating it if it is missing; refuses one with other columns.
///
/// # Errors
/// The store refused, the table has other columns, or another process keeps the lock.
pub(crate) async fn open_or_create(
    database: &Database,
    name: &str,
    schema: SchemaRef,
) -> Result<Ledger, TableError> {
    let ledger = opened_or_created(database, name, &schema).await?;
    ledger.has_columns(&schema).await?;
    Ok(ledger)
}

async fn opened_or_created(
    database: &Database,
    name: &str,
    schema: &SchemaRef,
) -> Result<Ledger, TableError> {
    let unusable = |source: object_store::Error| TableError::Creation {
        table: name.to_owned(),
        problem: source.to_string(),
    };
    let (store, folder) = database.location.store().map_err(unusable)?;
    let token = format!("process {} {}", std::process::id(), uuid::Uuid::new_v4().simple());
    let lock = CreationLock { store, key: folder.join(format!("{name}.creating")), token };
    let begun = std::time::Instant::now();
    loop {
        if let Some(ledger) = Ledger::open(database, name).await? {
            return Ok(ledger);
        }
        if lock.take().await.map_err(unusable)? {
            // The former holder may have created the table in between.
            let made = match Ledger::open(database, name).await? {
                Some(ledger) => Ok(ledger),
                None => create(database, name, schema).await,
            };
            lock.release().await;
            return made;
        }
        if begun.elapsed() > PATIENCE {
            let problem = format!(
                "another process holds the lock on creating it; if none does, remove the object {}",
                lock.key
            );
            return Err(TableError::Creation { table: name.to_owned(), problem });
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn create(database: &Database, name: &str, schema: &SchemaRef) -> Result<Ledger, TableError> {
    let creating = database
        .connection
        .create_empty_table(name, with_id(schema))
        .mode(CreateTableMode::Create)
        .execute();
    creating.await.map_err(TableError::of(name))?;
    // Opened again, because only then its requests are counted.
    let missing = || TableError::Creation {
        table: name.to_owned(),
        problem: "it was dropped as soon as it was made".to_owned(),
    };
    Ledger::open(database, name).await?.ok_or_else(missing)
}

struct CreationLock {
    store: Arc<dyn ObjectStore>,
    key: Path,
    // The content of the key; names its holder.
    token: String,
}

impl CreationLock {
    /// Takes the lock if it is free, or takes it over from a process that is long dead.
    async fn take(&self) -> object_store::Result<bool> {
        if self.put(PutMode::Create).await? {
            return Ok(true);
        }
        // If the answer to a successful attempt was lost, its repetition finds our own token.
        if self.is_ours().await? {
            return Ok(true);
        }
        let held = match self.store.head(&self.key).await {
            Ok(held) => held,
            // Released just now.
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let age = jiff::Timestamp::now().as_second() - held.last_modified.timestamp();
        if age < ABANDONED.as_secs() as i64 {
            return Ok(false);
        }
        // Of several that find it abandoned, the one that replaces exactly this content wins.
        Ok(self
            .put(PutMode::Update(UpdateVersion { e_tag: held.e_tag, version: held.version }))
            .await?
            || self.is_ours().await?)
    }

    async fn is_ours(&self) -> object_store::Result<bool> {
        match self.store.get(&self.key).await {
            Ok(held) => Ok(held.bytes().await? == self.token.as_bytes()),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn put(&self, mode: PutMode) -> object_store::Result<bool> {
        let body = PutPayload::from(self.token.clone());
        match self.store.put_opts(&self.key, body, mode.into()).await {
            Ok(_) => Ok(true),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn release(&self) {
        if let Err(error) = self.store.delete(&self.key).await {
            tracing::warn!(%error, key = %self.key,
                "the lock on creating a table could not be released; it does no harm");
        }
    }
}
