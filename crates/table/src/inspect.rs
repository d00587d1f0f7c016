//! A look at a table from outside, for diagnosis. Changes nothing.

use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;

use crate::error::TableError;
use crate::ledger::Ledger;
use crate::location::Database;
use crate::schema::dimension;

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

/// The columns that a kind of table has, for vectors of this length.
pub type TableColumns = fn(usize) -> SchemaRef;

/// Looks at a table and compares its columns with those of its kind; `None` if it does not exist.
///
/// # Errors
/// The store did not answer or refused.
pub async fn look(
    database: &Database,
    name: &str,
    columns: TableColumns,
) -> Result<Option<TableInspection>, TableError> {
    let Some(ledger) = Ledger::open(database, name).await? else { return Ok(None) };
    let failed = TableError::of(name);
    let found = ledger.table.schema().await.map_err(&failed)?;
    let expected = columns(dimension(&found).unwrap_or(0));
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
