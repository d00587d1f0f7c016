//! `images`: one row per object version, with everything known without a model and a thumbnail.

use arrow::array::BinaryArray;

use crate::creation;
use crate::error::TableError;
use crate::ledger::Ledger;
use crate::location::Database;
use crate::schema::{Facts, ImageRow, column, images_batch, images_schema};

/// Name of the table.
pub const NAME: &str = "images";

/// The `images` table.
#[derive(Debug, Clone)]
pub struct Images {
    ledger: Ledger,
}

impl Images {
    /// Opens the table, creating it if it is missing. For processes that append.
    ///
    /// # Errors
    /// The store refused, or the table has other columns.
    pub async fn open_or_create(database: &Database) -> Result<Self, TableError> {
        Ok(Self { ledger: creation::open_or_create(database, NAME, images_schema()).await? })
    }

    /// Opens the table; `None` if it does not exist yet.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn open(database: &Database) -> Result<Option<Self>, TableError> {
        Ok(Ledger::open(database, NAME).await?.map(|ledger| Self { ledger }))
    }

    /// The table as a record of object versions.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Appends rows in one commit.
    ///
    /// # Errors
    /// The store refused.
    pub async fn append(&self, rows: &[ImageRow], batch_id: &str) -> Result<(), TableError> {
        let batch = images_batch(rows, batch_id).map_err(|error| self.ledger.unusable(error))?;
        self.ledger.append(batch).await
    }

    /// Everything known about one object version.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn facts(&self, image_id: &str) -> Result<Option<Facts>, TableError> {
        if let Some(facts) = self.ledger.facts(&[image_id]).await?.remove(image_id) {
            return Ok(Some(facts));
        }
        // It may be newer than what this handle has seen.
        self.ledger.refresh().await?;
        Ok(self.ledger.facts(&[image_id]).await?.remove(image_id))
    }

    /// The thumbnail of one object version, a JPEG.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn thumbnail(&self, image_id: &str) -> Result<Option<Vec<u8>>, TableError> {
        if let Some(thumbnail) = self.known_thumbnail(image_id).await? {
            return Ok(Some(thumbnail));
        }
        self.ledger.refresh().await?;
        self.known_thumbnail(image_id).await
    }

    async fn known_thumbnail(&self, image_id: &str) -> Result<Option<Vec<u8>>, TableError> {
        for batch in self.ledger.rows_of(&[image_id], &["thumbnail"]).await? {
            let bytes: &BinaryArray =
                column(&batch, "thumbnail").map_err(|error| self.ledger.unusable(error))?;
            if batch.num_rows() > 0 {
                return Ok(Some(bytes.value(0).to_vec()));
            }
        }
        Ok(None)
    }
}
