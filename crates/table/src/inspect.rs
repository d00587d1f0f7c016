//! A look at a table from outside, for diagnosis. Changes nothing.

use futures::TryStreamExt;

use crate::error::TableError;
use crate::ledger::Ledger;
use crate::location::Database;
use crate::schema::{captions_schema, dimension, embeddings_schema, images_schema};
use crate::{captions, images};

/// The result of a look at a table.
#[derive(Debug, Clone)]
pub struct TableInspection {
    /// Rows, spare rows included.
    pub rows: usize,
    /// The newest version.
    pub version: u64,
    /// Versions that can still be read.
    pub versions: usize,
    /// Fragments; every commit of rows adds one.
    pub fragments: usize,
    /// Why this program cannot use it; `None` if its columns are right.
    pub problem: Option<String>,
}

/// Looks at `images`, an `embeddings_<model>` or a `captions_<captioner>` table; `None` if it does
/// not exist.
///
/// # Errors
/// The store did not answer or refused.
pub async fn look(database: &Database, name: &str) -> Result<Option<TableInspection>, TableError> {
    let Some(ledger) = Ledger::open(database, name).await? else { return Ok(None) };
    let failed = TableError::of(name);
    let found = ledger.table.schema().await.map_err(&failed)?;
    let dim = dimension(&found).unwrap_or(0);
    let expected = match name {
        images::NAME => images_schema(),
        name if captions::captioner_of(name).is_some() => captions_schema(dim),
        _ => embeddings_schema(dim),
    };
    let problem = match ledger.has_columns(&expected).await {
        Ok(()) => None,
        Err(TableError::Mismatch { problem, .. }) => Some(problem),
        Err(error) => return Err(error),
    };
    let stats = ledger.stats().await?;
    let versions = versions(database, name).await?;
    Ok(Some(TableInspection {
        rows: stats.rows,
        version: stats.version,
        versions,
        fragments: stats.fragments,
        problem,
    }))
}

// Counted by their keys, because the table library would read every version.
async fn versions(database: &Database, name: &str) -> Result<usize, TableError> {
    let failed = |source: object_store::Error| TableError::Store { table: name.to_owned(), source };
    let (store, folder) = database.location.store().map_err(failed)?;
    let folder = folder.join(format!("{name}.lance")).join("_versions");
    store
        .list(Some(&folder))
        .try_fold(0, |count, _| std::future::ready(Ok(count + 1)))
        .await
        .map_err(failed)
}
