//! Which object versions a table holds, and what it knows about them.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;

use arrow::array::{RecordBatch, StringArray};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use lancedb::expr::{col, lit};
use lancedb::query::{ExecutableQuery, QueryBase, Select};

use crate::error::TableError;
use crate::expression::begins_with;
use crate::ledger::Ledger;
use crate::schema::{FACTS_COLUMNS, Facts, VECTOR_COLUMN, column, read_facts, read_vectors};

/// Identity of one stored object version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVersion {
    /// Identity.
    pub image_id: String,
    /// Bucket name.
    pub bucket: String,
    /// Object key.
    pub key: String,
}

const LOCATION_COLUMNS: [&str; 3] = ["image_id", "bucket", "key"];

impl Ledger {
    /// Which of these object versions have a row.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn existing(&self, ids: &[impl Display]) -> Result<HashSet<String>, TableError> {
        let mut found = HashSet::new();
        for batch in self.rows_of(ids, &["image_id"]).await? {
            let ids: &StringArray =
                column(&batch, "image_id").map_err(|error| self.unusable(error))?;
            found.extend(ids.iter().flatten().map(str::to_owned));
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

    /// The ids of all rows whose key begins with `prefix`, in batches, in no order. Without a
    /// prefix, the ids of all rows.
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
    pub async fn locate(&self, ids: &[impl Display]) -> Result<Vec<StoredVersion>, TableError> {
        self.stored(self.rows_of(ids, &LOCATION_COLUMNS).await?)
    }

    /// All stored versions of one object.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn versions_of(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<Vec<StoredVersion>, TableError> {
        let of_object = col("bucket").eq(lit(bucket)).and(col("key").eq(lit(key)));
        self.stored(self.rows(Some(of_object), &LOCATION_COLUMNS).await?)
    }

    fn stored(&self, batches: Vec<RecordBatch>) -> Result<Vec<StoredVersion>, TableError> {
        let mut stored = Vec::new();
        for batch in batches {
            let text =
                |name| column::<StringArray>(&batch, name).map_err(|error| self.unusable(error));
            let (ids, buckets, keys) = (text("image_id")?, text("bucket")?, text("key")?);
            stored.extend((0..batch.num_rows()).map(|row| StoredVersion {
                image_id: ids.value(row).to_owned(),
                bucket: buckets.value(row).to_owned(),
                key: keys.value(row).to_owned(),
            }));
        }
        Ok(stored)
    }

    /// Everything known without a model about these object versions, by image id. Ids without a
    /// row are left out.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn facts(&self, ids: &[impl Display]) -> Result<HashMap<String, Facts>, TableError> {
        let mut facts = HashMap::new();
        for batch in self.rows_of(ids, &FACTS_COLUMNS).await? {
            let read = read_facts(&batch).map_err(|error| self.unusable(error))?;
            facts.extend(read.into_iter().map(|facts| (facts.image_id.clone(), facts)));
        }
        Ok(facts)
    }

    /// Vectors of about `wanted` rows, the same ones as long as no rows come or go. Ids are hashes,
    /// so the rows with the smallest ids are a random sample.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn sample(&self, wanted: usize) -> Result<Vec<Vec<f32>>, TableError> {
        let rows = self.count_rows().await?.max(1);
        let condition = (rows > wanted).then(|| {
            let share = (u128::MAX / rows as u128).saturating_mul(wanted as u128);
            col("image_id").lt(lit(format!("{share:032x}")))
        });
        let mut sample = Vec::new();
        for batch in self.rows(condition, &[VECTOR_COLUMN]).await? {
            sample.extend(read_vectors(&batch).map_err(|error| self.unusable(error))?);
        }
        Ok(sample)
    }
}
