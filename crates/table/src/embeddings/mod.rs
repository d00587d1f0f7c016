//! `embeddings_<model>`: one row per object version and view, with the vector of the picture.

mod search;
mod vectors;

use std::sync::Arc;

use crate::creation;
use crate::error::TableError;
use crate::ledger::Ledger;
use crate::location::Database;
use crate::newest::NewestCache;
use crate::schema::{EmbeddingRow, Space, embeddings_batch, embeddings_schema};
use crate::search_plan::IndexedRows;

/// The `embeddings_<model>` table.
#[derive(Debug, Clone)]
pub struct Embeddings {
    ledger: Ledger,
    space: Space,
    newest: Arc<NewestCache>,
    indexed: Arc<IndexedRows>,
}

/// Name of the table of a model.
pub fn name(model: &str) -> String {
    format!("embeddings_{model}")
}

/// Id of the model whose table has this name; `None` for a table of another kind.
pub fn model_of(table: &str) -> Option<&str> {
    table.strip_prefix("embeddings_").filter(|model| !model.is_empty())
}

impl Embeddings {
    /// Opens the table of a model, creating it if it is missing. For processes that append.
    ///
    /// # Errors
    /// The store refused, or the table has other columns, another dimension or vectors of another
    /// space.
    pub async fn open_or_create(database: &Database, space: Space) -> Result<Self, TableError> {
        let schema = space.noted_in(embeddings_schema(space.dim));
        let ledger = creation::open_or_create(database, &name(&space.model), schema).await?;
        Self::of_space(ledger, space).await
    }

    /// Opens the table of a model; `None` if it does not exist yet.
    ///
    /// # Errors
    /// The store did not answer or refused, or the table holds vectors of another space.
    pub async fn open(database: &Database, space: Space) -> Result<Option<Self>, TableError> {
        let Some(ledger) = Ledger::open(database, &name(&space.model)).await? else {
            return Ok(None);
        };
        ledger.has_columns(&embeddings_schema(space.dim)).await?;
        Self::of_space(ledger, space).await.map(Some)
    }

    /// Opens the table of a model whatever its space is, for callers without that model that only
    /// compare vectors of this table with each other. `None` if it does not exist yet or never held
    /// a row.
    ///
    /// # Errors
    /// The store did not answer or refused, or the table has other columns.
    pub async fn open_stored(database: &Database, model: &str) -> Result<Option<Self>, TableError> {
        let Some(ledger) = Ledger::open(database, &name(model)).await? else { return Ok(None) };
        let Some(space) = ledger.space(model).await? else { return Ok(None) };
        ledger.has_columns(&embeddings_schema(space.dim)).await?;
        Self::of_space(ledger, space).await.map(Some)
    }

    /// Refuses a table of another space, because vectors of two spaces must never be compared.
    async fn of_space(ledger: Ledger, space: Space) -> Result<Self, TableError> {
        ledger.holds_only(&space).await?;
        Ok(Self { ledger, space, newest: Arc::default(), indexed: Arc::default() })
    }

    /// The space of its vectors.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The table as a record of object versions.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// A snapshot of the newest version.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn pinned(&self) -> Result<Self, TableError> {
        Ok(Self { ledger: self.ledger.pinned().await?, ..self.clone() })
    }

    /// A snapshot of a former version; `None` if that version is gone.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn at(&self, database: &Database, version: u64) -> Result<Option<Self>, TableError> {
        Ok(self.ledger.at(database, version).await?.map(|ledger| Self { ledger, ..self.clone() }))
    }

    /// Appends rows in one commit.
    ///
    /// # Errors
    /// A vector of another length or with a value that is not finite, or the store refused.
    pub async fn append(&self, rows: &[EmbeddingRow], batch_id: &str) -> Result<(), TableError> {
        let batch = embeddings_batch(rows, &self.space, batch_id)
            .map_err(|error| self.ledger.unusable(error))?;
        self.ledger.append(batch).await
    }
}
