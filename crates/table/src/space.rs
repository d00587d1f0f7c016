//! Which space a table's vectors are of. It is noted when the table is made, which happens once
//! however many processes start together, and stands in every row beside its vector; whoever opens
//! the table checks both.

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::datatypes::{DataType, SchemaRef};
use futures::TryStreamExt;
use lancedb::expr::{DfExpr, col, lit};
use lancedb::query::{ExecutableQuery, QueryBase, Select};

use crate::error::TableError;
use crate::ledger::Ledger;
use crate::schema::{Space, column};

const SPACE: &str = "bucketlens.space";
const MANIFEST_HASH: &str = "bucketlens.manifest_hash";

impl Space {
    /// The schema with this space noted in it.
    pub(crate) fn noted_in(&self, schema: SchemaRef) -> SchemaRef {
        let notes = [(SPACE, &self.space), (MANIFEST_HASH, &self.manifest_hash)];
        let notes = notes.map(|(name, value)| (name.to_owned(), value.clone()));
        Arc::new(schema.as_ref().clone().with_metadata(notes.into()))
    }
}

impl Ledger {
    /// The space of the table's vectors, as `model`'s; `None` for a table that holds none.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn space(&self, model: &str) -> Result<Option<Space>, TableError> {
        let schema = self.table.schema().await.map_err(TableError::of(&self.name))?;
        let Ok(DataType::FixedSizeList(_, dim)) =
            schema.field_with_name("vector").map(|field| field.data_type())
        else {
            return Ok(None);
        };
        let dim = usize::try_from(*dim).unwrap_or(0);
        let noted = |name: &str| schema.metadata().get(name).cloned();
        let of_rows = match (noted(SPACE), noted(MANIFEST_HASH)) {
            (Some(space), Some(manifest_hash)) => Some((space, manifest_hash)),
            _ => self.space_of_a_row(None).await?,
        };
        Ok(of_rows.map(|(space, manifest_hash)| Space {
            model: model.to_owned(),
            space,
            manifest_hash,
            dim,
        }))
    }

    /// Refuses a table that notes another space than this, or has a row of another.
    pub(crate) async fn holds_only(&self, wanted: &Space) -> Result<(), TableError> {
        let refuse = |space: &str, manifest_hash: &str| {
            let problem = if space != wanted.space {
                format!(
                    "holds vectors of the space '{space}', the model makes vectors of '{}': give the changed model another id",
                    wanted.space
                )
            } else {
                format!(
                    "holds vectors made with another model.toml (SHA-256 {manifest_hash}) than the present one ({}): a changed \
                     manifest needs another id, or put the former one back",
                    wanted.manifest_hash
                )
            };
            Err(TableError::Mismatch { table: self.name.clone(), problem })
        };
        if let Some(Space { space, manifest_hash, .. }) = self.space(&wanted.model).await?
            && (space != wanted.space || manifest_hash != wanted.manifest_hash)
        {
            return refuse(&space, &manifest_hash);
        }
        let differs = |name: &str, value: &str| col(name).not_eq(lit(value));
        let other =
            differs("space", &wanted.space).or(differs("manifest_hash", &wanted.manifest_hash));
        match self.space_of_a_row(Some(other)).await? {
            Some((space, manifest_hash)) => refuse(&space, &manifest_hash),
            None => Ok(()),
        }
    }

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
        for batch in
            query.execute().await.map_err(&failed)?.try_collect::<Vec<_>>().await.map_err(failed)?
        {
            let text = |name| {
                column::<StringArray>(&batch, name)
                    .map_err(|error| TableError::rows(&self.name, error))
            };
            if batch.num_rows() > 0 {
                return Ok(Some((
                    text("space")?.value(0).to_owned(),
                    text("manifest_hash")?.value(0).to_owned(),
                )));
            }
        }
        Ok(None)
    }
}
