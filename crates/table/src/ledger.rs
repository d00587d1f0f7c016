//! What every table can be asked and told, whatever its rows hold: which object versions are there,
//! and to forget some.

use std::collections::HashSet;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{Schema, SchemaRef};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use lancedb::Table;
use lancedb::expr::{DfExpr, col, lit};
use lancedb::query::{ExecutableQuery, QueryBase, Select};

use crate::conflict::retried;
use crate::creation;
use crate::error::TableError;
use crate::filter::{begins_with, one_of};
use crate::location::Database;
use crate::schema::column;

// Bounds the size of one expression.
pub(crate) const PER_QUERY: usize = 2_000;

/// Identity of one stored object version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Identity.
    pub image_id: String,
    /// Bucket name.
    pub bucket: String,
    /// Object key.
    pub key: String,
}

/// Removes a table with all its rows and versions, for good. One that does not exist is no error.
/// Only `ingest` may call this, and only when nobody writes to the table any more.
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

/// One table seen as the record of which object versions it holds.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) table: Table,
    pub(crate) name: String,
}

impl Ledger {
    /// Opens a table; `None` where it does not exist yet.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn open(database: &Database, name: &str) -> Result<Option<Self>, TableError> {
        match database.connection.open_table(name).execute().await {
            Ok(table) => Ok(Some(Self { table, name: name.to_owned() })),
            Err(lancedb::Error::TableNotFound { .. }) => Ok(None),
            Err(error) => Err(TableError::of(name)(error)),
        }
    }

    /// Opens a table, creating it where it is missing; refuses one with other columns.
    pub(crate) async fn open_or_create(
        database: &Database,
        name: &str,
        schema: SchemaRef,
    ) -> Result<Self, TableError> {
        let ledger = creation::open_or_create(database, name, &schema).await?;
        ledger.has_columns(&schema).await?;
        Ok(ledger)
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
        let problem = "has other columns than this program writes: it was made by another version or by a model of another \
                       dimension; move it away or use another model id";
        Err(TableError::Mismatch { table: self.name.clone(), problem: problem.to_owned() })
    }

    /// Name of the table.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of rows, spares included.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn count_rows(&self) -> Result<usize, TableError> {
        self.table.count_rows(None).await.map_err(TableError::of(&self.name))
    }

    /// The newest version this handle knows.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn version(&self) -> Result<u64, TableError> {
        self.table.version().await.map_err(TableError::of(&self.name))
    }

    /// Which of these object versions have a row.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn existing(&self, ids: &[String]) -> Result<HashSet<String>, TableError> {
        let mut found = HashSet::new();
        for some in ids.chunks(PER_QUERY) {
            for batch in
                self.rows(Some(one_of("image_id", some.iter().cloned())), &["image_id"]).await?
            {
                let ids: &StringArray = column(&batch, "image_id")
                    .map_err(|error| TableError::rows(&self.name, error))?;
                found.extend(ids.iter().flatten().map(str::to_owned));
            }
        }
        Ok(found)
    }

    /// The ids of all rows, in batches, in no order.
    ///
    /// # Errors
    /// The store did not answer or refused; also while streaming.
    pub async fn all_ids(
        &self,
    ) -> Result<BoxStream<'static, Result<Vec<String>, TableError>>, TableError> {
        self.ids_with(None).await
    }

    /// The ids of all rows whose key begins with `prefix`, in batches, in no order; of all rows
    /// without one.
    ///
    /// # Errors
    /// The store did not answer or refused; also while streaming.
    pub async fn ids_with(
        &self,
        prefix: Option<&str>,
    ) -> Result<BoxStream<'static, Result<Vec<String>, TableError>>, TableError> {
        let failed = TableError::of(&self.name);
        let name = self.name.clone();
        let mut query = self.table.query().select(Select::columns(&["image_id"]));
        if let Some(condition) = prefix.and_then(|prefix| begins_with("key", prefix)) {
            query = query.only_if_expr(condition);
        }
        let stream = query.execute().await.map_err(&failed)?;
        let ids = stream.map_err(failed).and_then(move |batch| {
            let ids = column::<StringArray>(&batch, "image_id")
                .map(|ids| ids.iter().flatten().map(str::to_owned).collect());
            std::future::ready(ids.map_err(|error| TableError::rows(&name, error)))
        });
        Ok(ids.boxed())
    }

    /// Bucket and key of the rows with these ids.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn locate(&self, ids: &[String]) -> Result<Vec<Stored>, TableError> {
        let mut stored = Vec::new();
        for some in ids.chunks(PER_QUERY) {
            stored.extend(self.stored(one_of("image_id", some.iter().cloned())).await?);
        }
        Ok(stored)
    }

    /// All stored versions of one object.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn versions_of(&self, bucket: &str, key: &str) -> Result<Vec<Stored>, TableError> {
        self.stored(col("bucket").eq(lit(bucket)).and(col("key").eq(lit(key)))).await
    }

    async fn stored(&self, condition: DfExpr) -> Result<Vec<Stored>, TableError> {
        let mut stored = Vec::new();
        for batch in self.rows(Some(condition), &["image_id", "bucket", "key"]).await? {
            let text = |name| {
                column::<StringArray>(&batch, name)
                    .map_err(|error| TableError::rows(&self.name, error))
            };
            let (ids, buckets, keys) = (text("image_id")?, text("bucket")?, text("key")?);
            stored.extend((0..batch.num_rows()).map(|row| Stored {
                image_id: ids.value(row).to_owned(),
                bucket: buckets.value(row).to_owned(),
                key: keys.value(row).to_owned(),
            }));
        }
        Ok(stored)
    }

    /// Removes the rows of these object versions. Only `ingest` may call this: appends never
    /// conflict with each other, deletes and compaction do, and are repeated then.
    ///
    /// # Errors
    /// An id that is not 32 lower-case hex digits, or the store did not answer or refused.
    pub async fn delete(&self, ids: &[String]) -> Result<(), TableError> {
        let is_id = |id: &String| {
            id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        if let Some(bad) = ids.iter().find(|id| !is_id(id)) {
            return Err(TableError::rows(&self.name, format!("'{bad}' is not an image id")));
        }
        for some in ids.chunks(PER_QUERY) {
            let condition = one_of("image_id", some.iter().cloned());
            retried(self, |table| {
                let condition = condition.clone();
                async move { table.delete(&condition).await }
            })
            .await?;
        }
        Ok(())
    }

    /// The same table, held at its newest version: everything read through it comes from that one.
    pub(crate) async fn pinned(&self) -> Result<Self, TableError> {
        let table = self.table.checkout_current().await.map_err(TableError::of(&self.name))?;
        Ok(Self { table, name: self.name.clone() })
    }

    /// Whether one object version can have several rows, one per view of it.
    pub(crate) async fn has_views(&self) -> Result<bool, TableError> {
        let schema = self.table.schema().await.map_err(TableError::of(&self.name))?;
        Ok(schema.column_with_name("view").is_some())
    }

    /// Whether its rows are answers, of which a later one counts more than an earlier one.
    pub(crate) async fn holds_captions(&self) -> Result<bool, TableError> {
        let schema = self.table.schema().await.map_err(TableError::of(&self.name))?;
        Ok(schema.column_with_name("prompt_hash").is_some())
    }

    pub(crate) async fn append(&self, batch: RecordBatch) -> Result<(), TableError> {
        retried(self, |table| {
            let batch = batch.clone();
            async move { table.add(batch).write_parallelism(1).execute().await }
        })
        .await?;
        Ok(())
    }

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
}
