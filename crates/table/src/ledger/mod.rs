//! One table as a record of object versions, whatever else its rows hold.

mod identity;
mod lookup;
mod version;

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use futures::TryStreamExt;
use lance::Dataset;
use lancedb::Table;
use lancedb::expr::DfExpr;
use lancedb::query::{ExecutableQuery, QueryBase, Select};

use crate::conflict::retried;
use crate::error::TableError;
use crate::expression::{MOST_VALUES, one_of};
use crate::location::Database;

pub use lookup::StoredVersion;

pub(crate) use identity::{MANIFEST_HASH_KEY, SPACE_KEY, noted, with_id};

use identity::TableIdentity;

/// Removes a table with all its rows and versions, for good. A missing table is no error. Only
/// `ingest` may call this, and only when no process writes to the table any more.
///
/// # Errors
/// The store did not answer or refused.
pub async fn drop_table(database: &Database, name: &str) -> Result<(), TableError> {
    match database.connection.drop_table(name, &[]).await {
        Ok(()) | Err(lancedb::Error::TableNotFound { .. }) => Ok(()),
        Err(error) => Err(TableError::of(name)(error)),
    }
}

/// Names of all tables.
///
/// # Errors
/// The store did not answer or refused.
pub async fn table_names(database: &Database) -> Result<Vec<String>, TableError> {
    database.connection.table_names().execute().await.map_err(TableError::of("database"))
}

/// One table as a record of object versions. Every kind of table has one.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) table: Table,
    pub(crate) name: String,
    /// The table that was opened, which may have been replaced since.
    identity: TableIdentity,
    /// The version that was opened. It asks the store for a newer one without moving this handle.
    opened: Arc<Dataset>,
}

impl Ledger {
    /// Opens a table; `None` if it does not exist yet.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn open(database: &Database, name: &str) -> Result<Option<Self>, TableError> {
        let opening =
            database.connection.open_table(name).lance_read_params(database.read_params());
        match opening.execute().await {
            Ok(table) => Ok(Some(Self::of(table, name).await?)),
            Err(lancedb::Error::TableNotFound { .. }) => Ok(None),
            Err(error) => Err(TableError::of(name)(error)),
        }
    }

    /// The ledger of a table that was opened just now.
    async fn of(table: Table, name: &str) -> Result<Self, TableError> {
        let opened = dataset_of(&table, name).await?;
        let identity = TableIdentity::of(&opened);
        Ok(Self { table, name: name.to_owned(), identity, opened })
    }

    /// The table library's own handle on the newest version, or on that of a snapshot.
    pub(crate) async fn dataset(&self) -> Result<Arc<Dataset>, TableError> {
        dataset_of(&self.table, &self.name).await
    }

    /// Refuses a table with other columns than these.
    pub(crate) async fn has_columns(&self, schema: &Schema) -> Result<(), TableError> {
        let found = self.table.schema().await.map_err(TableError::of(&self.name))?;
        let columns = |schema: &Schema| -> Vec<_> {
            schema
                .fields()
                .iter()
                .map(|field| (field.name().clone(), field.data_type().clone()))
                .collect()
        };
        if columns(&found) == columns(schema) {
            return Ok(());
        }
        let problem = "has other columns than this program writes: it was made by another version \
                       or by a model of another dimension; move it away or use another model id";
        Err(TableError::Mismatch { table: self.name.clone(), problem: problem.to_owned() })
    }

    /// Whether the table has a column of this name.
    pub(crate) async fn has_column(&self, name: &str) -> Result<bool, TableError> {
        let schema = self.table.schema().await.map_err(TableError::of(&self.name))?;
        Ok(schema.column_with_name(name).is_some())
    }

    /// Name of the table.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of rows, spare rows included.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn count_rows(&self) -> Result<usize, TableError> {
        self.table.count_rows(None).await.map_err(TableError::of(&self.name))
    }

    /// Removes the rows of these object versions. Only `ingest` may call this. Appends never
    /// conflict with each other; deletes and compactions do, and are then repeated.
    ///
    /// # Errors
    /// An id that is not 32 lower-case hex digits, or the store did not answer or refused.
    pub async fn delete(&self, ids: &[impl Display]) -> Result<(), TableError> {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let is_id = |id: &String| {
            id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        if let Some(bad) = ids.iter().find(|id| !is_id(id)) {
            return Err(TableError::rows(&self.name, format!("'{bad}' is not an image id")));
        }
        for some in ids.chunks(MOST_VALUES) {
            self.delete_where(one_of("image_id", some)).await?;
        }
        Ok(())
    }

    /// Removes the rows that meet a condition.
    pub(crate) async fn delete_where(&self, condition: DfExpr) -> Result<(), TableError> {
        self.change(|table| {
            let condition = condition.clone();
            async move { table.delete(&condition).await }
        })
        .await?;
        Ok(())
    }

    /// Appends rows in one commit. Refuses if the table was made anew since, for vectors of another
    /// space.
    pub(crate) async fn append(&self, batch: RecordBatch) -> Result<(), TableError> {
        self.keeps_its_space().await?;
        self.change(|table| {
            let batch = batch.clone();
            async move { table.add(batch).write_parallelism(1).execute().await }
        })
        .await?;
        Ok(())
    }

    /// Runs a change of the table, again and again while other changes are faster.
    pub(crate) async fn change<T, F>(&self, change: impl Fn(Table) -> F) -> Result<T, TableError>
    where
        F: Future<Output = lancedb::Result<T>>,
    {
        retried(&self.table, change).await.map_err(TableError::of(&self.name))
    }

    /// Some columns of the rows that meet a condition; of all rows without one.
    pub(crate) async fn rows(
        &self,
        condition: Option<DfExpr>,
        columns: &[&str],
    ) -> Result<Vec<RecordBatch>, TableError> {
        let failed = TableError::of(&self.name);
        let mut query = self.table.query().select(Select::columns(columns));
        if let Some(condition) = condition {
            query = query.only_if_expr(condition);
        }
        query.execute().await.map_err(&failed)?.try_collect().await.map_err(failed)
    }

    /// Some columns of the rows of these object versions.
    pub(crate) async fn rows_of(
        &self,
        ids: &[impl Display],
        columns: &[&str],
    ) -> Result<Vec<RecordBatch>, TableError> {
        let mut batches = Vec::new();
        for some in ids.chunks(MOST_VALUES) {
            batches.extend(self.rows(Some(one_of("image_id", some)), columns).await?);
        }
        Ok(batches)
    }

    /// An error about the rows of this table.
    pub(crate) fn unusable(&self, problem: impl ToString) -> TableError {
        TableError::rows(&self.name, problem)
    }
}

async fn dataset_of(table: &Table, name: &str) -> Result<Arc<Dataset>, TableError> {
    let elsewhere = || TableError::rows(name, "the table is not on the bucket");
    table.dataset().ok_or_else(elsewhere)?.get().await.map_err(TableError::of(name))
}
