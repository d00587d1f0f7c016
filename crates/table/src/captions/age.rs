//! Which captions are the latest, and which answer a question that is no longer asked.

use std::collections::{HashMap, HashSet};

use arrow::array::{RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::error::ArrowError;
use jiff::Timestamp;
use lancedb::expr::{DfExpr, col, lit};

use crate::captions::Captions;
use crate::error::TableError;
use crate::filter::one_of;
use crate::ledger::PER_QUERY;
use crate::schema::column;

/// When a caption was written, and in answer to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// When.
    pub at: Timestamp,
    /// Who said it.
    pub provider: String,
    /// What was asked for.
    pub prompt_hash: String,
}

/// Image id and time of every row. Needs `image_id` and `written_at`.
pub(super) fn written(batch: &RecordBatch) -> Result<Vec<(&str, i64)>, ArrowError> {
    let ids: &StringArray = column(batch, "image_id")?;
    let times: &TimestampMicrosecondArray = column(batch, "written_at")?;
    Ok((0..batch.num_rows()).map(|row| (ids.value(row), times.value(row))).collect())
}

impl Captions {
    /// When the latest caption of these object versions was written, by image id; what is not there
    /// is left out.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn written(&self, ids: &[String]) -> Result<HashMap<String, Written>, TableError> {
        let unusable = |error| self.unusable(error);
        let mut latest: HashMap<String, Written> = HashMap::new();
        for some in ids.chunks(PER_QUERY) {
            let condition = one_of("image_id", some.iter().cloned());
            for batch in self
                .ledger
                .rows(Some(condition), &["image_id", "written_at", "provider", "prompt_hash"])
                .await?
            {
                let text = |name| column::<StringArray>(&batch, name).map_err(unusable);
                let (providers, hashes) = (text("provider")?, text("prompt_hash")?);
                for (row, (id, at)) in written(&batch).map_err(unusable)?.into_iter().enumerate() {
                    let at =
                        Timestamp::from_microsecond(at).map_err(|error| self.unusable(error))?;
                    if latest.get(id).is_none_or(|last| last.at <= at) {
                        let (provider, prompt_hash) =
                            (providers.value(row).to_owned(), hashes.value(row).to_owned());
                        latest.insert(id.to_owned(), Written { at, provider, prompt_hash });
                    }
                }
            }
        }
        Ok(latest)
    }

    /// Ids of the object versions whose latest caption answers another question than this. Takes
    /// some 100 bytes of memory for each.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn outdated(
        &self,
        provider: &str,
        prompt_hash: &str,
    ) -> Result<HashSet<String>, TableError> {
        let other =
            col("provider").not_eq(lit(provider)).or(col("prompt_hash").not_eq(lit(prompt_hash)));
        let mut outdated = self.latest(other).await?;
        if outdated.is_empty() {
            return Ok(HashSet::new());
        }
        // What was said again since then is not.
        let this = col("provider").eq(lit(provider)).and(col("prompt_hash").eq(lit(prompt_hash)));
        for (id, at) in self.latest(this).await? {
            if outdated.get(&id).is_some_and(|other| *other <= at) {
                outdated.remove(&id);
            }
        }
        Ok(outdated.into_keys().collect())
    }

    /// When the latest row of each object version that meets a condition was written.
    pub(super) async fn latest(
        &self,
        condition: DfExpr,
    ) -> Result<HashMap<String, i64>, TableError> {
        let mut latest = HashMap::new();
        for batch in self.ledger.rows(Some(condition), &["image_id", "written_at"]).await? {
            for (id, at) in written(&batch).map_err(|error| self.unusable(error))? {
                let last = latest.entry(id.to_owned()).or_insert(at);
                *last = at.max(*last);
            }
        }
        Ok(latest)
    }
}
