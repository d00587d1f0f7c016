//! The space of a table's vectors. It is noted in the schema when the table is created, and in
//! every row beside its vector. Opening a table checks the note, and every append checks it again,
//! so no row has another space. Only a table without a note is searched for such rows.

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use lancedb::expr::{DfExpr, col, lit};
use lancedb::query::{ExecutableQuery, QueryBase, Select};

use crate::error::TableError;
use crate::ledger::{Ledger, MANIFEST_HASH_KEY, SPACE_KEY, noted};
use crate::schema::{Space, column, dimension};

impl Space {
    /// The schema with this space noted in it.
    pub(crate) fn noted_in(&self, schema: SchemaRef) -> SchemaRef {
        let notes = [(SPACE_KEY, &self.space), (MANIFEST_HASH_KEY, &self.manifest_hash)];
        let notes = notes.map(|(name, value)| (name.to_owned(), value.clone()));
        Arc::new(schema.as_ref().clone().with_metadata(notes.into()))
    }
}

impl Ledger {
    /// The space of the table's vectors, with `model` as its model; `None` for a table without
    /// vectors, or one that notes no space and has no rows.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn space(&self, model: &str) -> Result<Option<Space>, TableError> {
        let schema = self.table.schema().await.map_err(TableError::of(&self.name))?;
        let Some(dim) = dimension(&schema) else { return Ok(None) };
        let of_rows = match noted(schema.metadata()) {
            Some(noted) => Some(noted),
            None => self.space_of_a_row(None).await?,
        };
        Ok(of_rows.map(|(space, manifest_hash)| Space {
            model: model.to_owned(),
            space,
            manifest_hash,
            dim,
        }))
    }

    /// Refuses a table that notes another space than this one, or that notes none and has a row of
    /// another space.
    pub(crate) async fn holds_only(&self, wanted: &Space) -> Result<(), TableError> {
        let refuse = |space: &str, manifest_hash: &str| {
            Err(TableError::Mismatch {
                table: self.name.clone(),
                problem: difference(wanted, space, manifest_hash),
            })
        };
        let schema = self.table.schema().await.map_err(TableError::of(&self.name))?;
        if let Some((space, manifest_hash)) = noted(schema.metadata()) {
            let is_wanted = space == wanted.space && manifest_hash == wanted.manifest_hash;
            return if is_wanted { Ok(()) } else { refuse(&space, &manifest_hash) };
        }
        let differs = |name: &str, value: &str| col(name).not_eq(lit(value));
        let other =
            differs("space", &wanted.space).or(differs("manifest_hash", &wanted.manifest_hash));
        match self.space_of_a_row(Some(other)).await? {
            Some((space, manifest_hash)) => refuse(&space, &manifest_hash),
            None => Ok(()),
        }
    }

    /// Space and manifest hash of any row that meets the condition.
    async fn space_of_a_row(
        &self,
        condition: Option<DfExpr>,
    ) -> Result<Option<(String, String)>, TableError> {
        let failed = TableError::of(&self.name);
        let mut query =
            self.table.query().select(Select::columns(&["space", "manifest_hash"])).limit(1);
        if let Some(condition) = condition {
            query = query.only_if_expr(condition);
        }
        let batches: Vec<_> =
            query.execute().await.map_err(&failed)?.try_collect().await.map_err(failed)?;
        let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else {
            return Ok(None);
        };
        let text = |name| -> Result<String, TableError> {
            let column: &StringArray = column(batch, name).map_err(|error| self.unusable(error))?;
            Ok(column.value(0).to_owned())
        };
        Ok(Some((text("space")?, text("manifest_hash")?)))
    }
}

/// How the space of stored vectors differs from the wanted one, and what to do about it.
fn difference(wanted: &Space, space: &str, manifest_hash: &str) -> String {
    if space != wanted.space {
        format!(
            "holds vectors of the space '{space}', the model makes vectors of '{}': give the \
             changed model another id",
            wanted.space
        )
    } else {
        format!(
            "holds vectors made with another model.toml (SHA-256 {manifest_hash}) than the present \
             one ({}): a changed manifest needs another id, or put the former one back",
            wanted.manifest_hash
        )
    }
}
