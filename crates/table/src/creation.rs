//! Making a table exactly once, however many processes start together.
//!
//! The table library does not guard it: a second process that creates a table at the wrong moment
//! commits an overwrite on top of the first one's version, and the rows appended in between are
//! gone. So the right to create is taken with the one operation the store is proven to do
//! atomically (see the probe): creating a key.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use lancedb::database::CreateTableMode;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload, UpdateVersion};

use crate::error::TableError;
use crate::ledger::Ledger;
use crate::location::Database;

// A creation takes well under a second; a right this old belongs to a process that died with it.
const ABANDONED: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(600);

/// Opens the table, and makes it first where it is missing.
pub(crate) async fn open_or_create(
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
    let right = Right { store, key: folder.join(format!("{name}.creating")), token };
    let begun = std::time::Instant::now();
    loop {
        if let Some(ledger) = Ledger::open(database, name).await? {
            return Ok(ledger);
        }
        if right.take().await.map_err(unusable)? {
            // Whoever had the right before may have finished in between.
            let made = match Ledger::open(database, name).await? {
                Some(ledger) => Ok(ledger),
                None => create(database, name, schema).await,
            };
            right.give_back().await;
            return made;
        }
        if begun.elapsed() > PATIENCE {
            let problem = format!(
                "another process holds the right to create it; if none does, remove the object {}",
                right.key
            );
            return Err(TableError::Creation { table: name.to_owned(), problem });
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn create(database: &Database, name: &str, schema: &SchemaRef) -> Result<Ledger, TableError> {
    let creating = database
        .connection
        .create_empty_table(name, schema.clone())
        .mode(CreateTableMode::Create)
        .execute();
    let table = creating.await.map_err(TableError::of(name))?;
    Ok(Ledger { table, name: name.to_owned() })
}

struct Right {
    store: Arc<dyn ObjectStore>,
    key: Path,
    // Tells this holder from any other.
    token: String,
}

impl Right {
    /// Takes the right if nobody has it, or takes it over from a process that is long dead.
    async fn take(&self) -> object_store::Result<bool> {
        if self.put(PutMode::Create).await? {
            return Ok(true);
        }
        // Where the answer to a successful attempt is lost, its repetition finds what the first one
        // wrote.
        if self.is_ours().await? {
            return Ok(true);
        }
        let held = match self.store.head(&self.key).await {
            Ok(held) => held,
            // Given back just now.
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let age = jiff::Timestamp::now().as_second() - held.last_modified.timestamp();
        if age < ABANDONED.as_secs() as i64 {
            return Ok(false);
        }
        // Of several that see it abandoned, the one that replaces exactly this content wins.
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

    async fn give_back(&self) {
        if let Err(error) = self.store.delete(&self.key).await {
            tracing::warn!(%error, key = %self.key, "the right to create a table could not be given back; it does no harm");
        }
    }
}
