//! The latest caption of each object version, and which captions are outdated.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;

use arrow::array::{RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::error::ArrowError;
use jiff::Timestamp;
use lancedb::expr::{DfExpr, col, lit};

use crate::captions::{Captions, answers_prompt};
use crate::error::TableError;
use crate::schema::{
    CAPTION_COLUMNS, CaptionOrigin, CaptionText, VECTOR_COLUMN, column, read_captions, read_vectors,
};

/// Image id and time of every row. Needs `image_id` and `written_at`.
fn commit_times(batch: &RecordBatch) -> Result<Vec<(&str, i64)>, ArrowError> {
    let ids: &StringArray = column(batch, "image_id")?;
    let times: &TimestampMicrosecondArray = column(batch, "written_at")?;
    Ok((0..batch.num_rows()).map(|row| (ids.value(row), times.value(row))).collect())
}

impl Captions {
    /// The latest caption of each of these object versions, by image id. Ids without one are left
    /// out.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn said(
        &self,
        ids: &[impl Display],
    ) -> Result<HashMap<String, CaptionText>, TableError> {
        let columns = [["image_id", "written_at"].as_slice(), &CAPTION_COLUMNS].concat();
        let mut latest: HashMap<String, (i64, CaptionText)> = HashMap::new();
        for batch in self.ledger.rows_of(ids, &columns).await? {
            let times = commit_times(&batch).map_err(|error| self.unusable(error))?;
            let read = read_captions(&batch).map_err(|error| self.unusable(error))?;
            for ((id, at), caption) in times.into_iter().zip(read) {
                if latest.get(id).is_none_or(|(last, _)| *last <= at) {
                    latest.insert(id.to_owned(), (at, caption));
                }
            }
        }
        Ok(latest.into_iter().map(|(id, (_, caption))| (id, caption)).collect())
    }

    /// The vector of the latest caption of each of these object versions, by image id. Ids without
    /// one are left out.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn vectors_of(
        &self,
        ids: &[impl Display],
    ) -> Result<HashMap<String, Vec<f32>>, TableError> {
        let unusable = |error| self.unusable(error);
        let mut latest: HashMap<String, (i64, Vec<f32>)> = HashMap::new();
        let columns = ["image_id", "written_at", VECTOR_COLUMN];
        for batch in self.ledger.rows_of(ids, &columns).await? {
            let times = commit_times(&batch).map_err(unusable)?;
            for ((id, at), vector) in times.into_iter().zip(read_vectors(&batch).map_err(unusable)?)
            {
                if latest.get(id).is_none_or(|(last, _)| *last <= at) {
                    latest.insert(id.to_owned(), (at, vector));
                }
            }
        }
        Ok(latest.into_iter().map(|(id, (_, vector))| (id, vector)).collect())
    }

    /// The origin of the latest caption of each of these object versions, by image id. Ids without
    /// one are left out.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn written(
        &self,
        ids: &[impl Display],
    ) -> Result<HashMap<String, CaptionOrigin>, TableError> {
        let unusable = |error| self.unusable(error);
        let columns = ["image_id", "written_at", "provider", "prompt_hash"];
        let mut latest: HashMap<String, CaptionOrigin> = HashMap::new();
        for batch in self.ledger.rows_of(ids, &columns).await? {
            let text = |name| column::<StringArray>(&batch, name).map_err(unusable);
            let (providers, hashes) = (text("provider")?, text("prompt_hash")?);
            for (row, (id, at)) in commit_times(&batch).map_err(unusable)?.into_iter().enumerate() {
                let at = Timestamp::from_microsecond(at).map_err(|error| self.unusable(error))?;
                if latest.get(id).is_none_or(|last| last.at <= at) {
                    let (provider, prompt_hash) =
                        (providers.value(row).to_owned(), hashes.value(row).to_owned());
                    latest.insert(id.to_owned(), CaptionOrigin { at, provider, prompt_hash });
                }
            }
        }
        Ok(latest)
    }

    /// Ids of the object versions whose latest caption is by another captioner or for another
    /// prompt. Takes some 100 bytes of memory for each.
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
        // An object version that was captioned again since then is not outdated.
        for (id, at) in self.latest(answers_prompt(provider, prompt_hash)).await? {
            if outdated.get(&id).is_some_and(|other| *other <= at) {
                outdated.remove(&id);
            }
        }
        Ok(outdated.into_keys().collect())
    }

    /// When the latest row of each object version was written, among the rows that meet a
    /// condition; in microseconds since 1970.
    pub(super) async fn latest(
        &self,
        condition: DfExpr,
    ) -> Result<HashMap<String, i64>, TableError> {
        let mut latest = HashMap::new();
        for batch in self.ledger.rows(Some(condition), &["image_id", "written_at"]).await? {
            for (id, at) in commit_times(&batch).map_err(|error| self.unusable(error))? {
                let last = latest.entry(id.to_owned()).or_insert(at);
                *last = at.max(*last);
            }
        }
        Ok(latest)
    }
}
