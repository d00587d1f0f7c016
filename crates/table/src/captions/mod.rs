//! `captions_<captioner>`: captions of object versions. A further caption of an object version is a
//! further row; the latest one counts.

mod latest;
mod search;
pub mod words;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::StringArray;
use lancedb::expr::{DfExpr, col, lit};

pub use crate::schema::{CaptionOrigin, CaptionRow, CaptionText};

use crate::creation;
use crate::error::TableError;
use crate::expression::{MOST_VALUES, one_of};
use crate::ledger::Ledger;
use crate::location::Database;
use crate::schema::{
    CAPTION_COLUMNS, Space, captions_batch, captions_schema, column, read_captions,
};
use crate::search_plan::IndexedRows;

/// The `captions_<captioner>` table.
#[derive(Debug, Clone)]
pub struct Captions {
    ledger: Ledger,
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
    /// Opens the table of a captioner, creating it if it is missing. `space` is the space of the
    /// text encoder that makes the captions' vectors. For processes that append.
    ///
    /// # Errors
    /// The store refused, or the table has other columns, or vectors of another space.
    pub async fn open_or_create(
        database: &Database,
        captioner: &str,
        space: Space,
    ) -> Result<Self, TableError> {
        let schema = space.noted_in(captions_schema(space.dim));
        let ledger = creation::open_or_create(database, &name(captioner), schema).await?;
        ledger.holds_only(&space).await?;
        words::make_index(&ledger).await?;
        Ok(Self { ledger, space, indexed: Arc::default() })
    }

    /// Opens the table whatever its space is; `None` if it does not exist yet.
    ///
    /// # Errors
    /// The store did not answer or refused, or the table has other columns.
    pub async fn open(database: &Database, captioner: &str) -> Result<Option<Self>, TableError> {
        let Some(ledger) = Ledger::open(database, &name(captioner)).await? else { return Ok(None) };
        let Some(space) = ledger.space("").await? else { return Ok(None) };
        ledger.has_columns(&captions_schema(space.dim)).await?;
        Ok(Some(Self { ledger, space, indexed: Arc::default() }))
    }

    /// The space of the captions' vectors. Its model is empty if the table was opened for reading.
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
    /// An empty caption, a vector of another length or with a value that is not finite, or the
    /// store refused.
    pub async fn append(&self, rows: &[CaptionRow], batch_id: &str) -> Result<(), TableError> {
        if let Some(row) = rows.iter().find(|row| row.said.caption.trim().is_empty()) {
            return Err(self.unusable(format!("the caption of {} is empty", row.facts.key)));
        }
        let batch =
            captions_batch(rows, &self.space, batch_id).map_err(|error| self.unusable(error))?;
        self.ledger.append(batch).await
    }

    /// The captions of these contents (`content_hash`) by this captioner for this very prompt.
    /// Contents without one are left out.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn said_of_content(
        &self,
        hashes: &[String],
        provider: &str,
        prompt_hash: &str,
    ) -> Result<HashMap<String, CaptionText>, TableError> {
        let columns = [["content_hash"].as_slice(), &CAPTION_COLUMNS].concat();
        let mut captions = HashMap::new();
        for some in hashes.chunks(MOST_VALUES) {
            let condition = one_of("content_hash", some).and(answers_prompt(provider, prompt_hash));
            for batch in self.ledger.rows(Some(condition), &columns).await? {
                let hashes: &StringArray =
                    column(&batch, "content_hash").map_err(|error| self.unusable(error))?;
                let read = read_captions(&batch).map_err(|error| self.unusable(error))?;
                captions.extend(hashes.iter().flatten().map(str::to_owned).zip(read));
            }
        }
        Ok(captions)
    }

    fn unusable(&self, problem: impl ToString) -> TableError {
        self.ledger.unusable(problem)
    }
}

/// A caption is by this captioner and for this prompt.
fn answers_prompt(provider: &str, prompt_hash: &str) -> DfExpr {
    col("provider").eq(lit(provider)).and(col("prompt_hash").eq(lit(prompt_hash)))
}
