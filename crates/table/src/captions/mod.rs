//! `captions_<model>`: one row per object version that was looked at, with what was said about it.

mod age;
mod rows;
mod search;
pub mod words;

use std::collections::HashMap;
use std::sync::Arc;

pub use age::Written;
pub use rows::{CaptionRow, Said};
pub(crate) use rows::{WORDS, captions_schema};
pub(crate) use words::make_index;

use crate::error::TableError;
use crate::filter::one_of;
use crate::ledger::{Ledger, PER_QUERY};
use crate::location::Database;
use crate::plan::IndexedRows;
use crate::schema::Space;
use arrow::array::StringArray;
use lancedb::expr::{col, lit};

/// The `captions_<model>` table.
#[derive(Debug, Clone)]
pub struct Captions {
    pub(crate) ledger: Ledger,
    space: Space,
    indexed: Arc<IndexedRows>,
}

/// Name of the table of a captioner.
pub fn name(captioner: &str) -> String {
    format!("captions_{captioner}")
}

/// Id of the captioner whose table has this name; `None` for a table of another kind.
pub fn captioner_of(table: &str) -> Option<&str> {
    table.strip_prefix("captions_").filter(|captioner| !captioner.is_empty())
}

impl Captions {
    /// Opens the table of a captioner, creating it where it is missing. `space` is that of the text
    /// tower whose vectors the captions get. For processes that append.
    ///
    /// # Errors
    /// The store refused, or the table has other columns, or vectors of another space.
    pub async fn open_or_create(
        database: &Database,
        captioner: &str,
        space: Space,
    ) -> Result<Self, TableError> {
        let schema = space.noted_in(captions_schema(space.dim));
        let ledger = Ledger::open_or_create(database, &name(captioner), schema).await?;
        ledger.holds_only(&space).await?;
        make_index(&ledger).await?;
        Ok(Self { ledger, space, indexed: Arc::default() })
    }

    /// Opens the table as whatever it holds; `None` where it does not exist yet.
    ///
    /// # Errors
    /// The store did not answer or refused, or the table has other columns.
    pub async fn open(database: &Database, captioner: &str) -> Result<Option<Self>, TableError> {
        let Some(ledger) = Ledger::open(database, &name(captioner)).await? else { return Ok(None) };
        let Some(space) = ledger.space("").await? else { return Ok(None) };
        ledger.has_columns(&captions_schema(space.dim)).await?;
        Ok(Some(Self { ledger, space, indexed: Arc::default() }))
    }

    /// What the vectors of its captions are. Its model is empty where the table was opened for
    /// reading.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The table as a record of object versions.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Appends rows in one commit.
    ///
    /// # Errors
    /// An empty caption, a vector of another length or with a value that is not finite, or the
    /// store refused.
    pub async fn append(&self, rows: &[CaptionRow], batch_id: &str) -> Result<(), TableError> {
        if let Some(row) = rows.iter().find(|row| row.said.caption.trim().is_empty()) {
            return Err(self.unusable(format!("the caption of {} is empty", row.facts.key)));
        }
        let batch = rows::captions_batch(rows, &self.space, batch_id)
            .map_err(|error| self.unusable(error))?;
        self.ledger.append(batch).await
    }

    /// What was said last about these object versions, by image id; what is not there is left out.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn said(&self, ids: &[String]) -> Result<HashMap<String, Said>, TableError> {
        let mut columns = vec!["image_id", "written_at"];
        columns.extend(rows::SAID_COLUMNS);
        let mut said: HashMap<String, (i64, Said)> = HashMap::new();
        for some in ids.chunks(PER_QUERY) {
            for batch in
                self.ledger.rows(Some(one_of("image_id", some.iter().cloned())), &columns).await?
            {
                let written = age::written(&batch).map_err(|error| self.unusable(error))?;
                let read = rows::read_said(&batch).map_err(|error| self.unusable(error))?;
                for ((id, at), row) in written.into_iter().zip(read) {
                    if said.get(id).is_none_or(|(last, _)| *last <= at) {
                        said.insert(id.to_owned(), (at, row));
                    }
                }
            }
        }
        Ok(said.into_iter().map(|(id, (_, said))| (id, said)).collect())
    }

    /// What was said about these contents (`content_hash`) in answer to this very question; what is
    /// not there is left out.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn said_of_content(
        &self,
        hashes: &[String],
        provider: &str,
        prompt_hash: &str,
    ) -> Result<HashMap<String, Said>, TableError> {
        let mut columns = vec!["content_hash"];
        columns.extend(rows::SAID_COLUMNS);
        let mut said = HashMap::new();
        for some in hashes.chunks(PER_QUERY) {
            let asked =
                col("provider").eq(lit(provider)).and(col("prompt_hash").eq(lit(prompt_hash)));
            let condition = one_of("content_hash", some.iter().cloned()).and(asked);
            for batch in self.ledger.rows(Some(condition), &columns).await? {
                let hashes: &StringArray = crate::schema::column(&batch, "content_hash")
                    .map_err(|error| self.unusable(error))?;
                let read = rows::read_said(&batch).map_err(|error| self.unusable(error))?;
                said.extend(hashes.iter().flatten().map(str::to_owned).zip(read));
            }
        }
        Ok(said)
    }

    pub(crate) fn unusable(&self, problem: impl ToString) -> TableError {
        TableError::rows(&self.ledger.name, problem)
    }
}
