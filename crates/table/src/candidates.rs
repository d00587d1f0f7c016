//! What a search by one signal finds: object versions with a score. A caller joins the candidates
//! of several signals, and reads facts only for those that it shows.

use std::collections::HashSet;

use arrow::array::{Float32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::error::ArrowError;

use crate::error::TableError;
use crate::filter::Filter;
use crate::ledger::Ledger;
use crate::schema::column;

/// An object version that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Identity.
    pub image_id: String,
    /// Bucket name.
    pub bucket: String,
    /// Object key.
    pub key: String,
    /// Hash of the bytes.
    pub content_hash: String,
    /// When its row was written, in microseconds since 1970.
    pub written_at: i64,
    /// Cosine similarity or BM25; more is better.
    pub score: f32,
}

/// What a search by one signal found.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidates {
    /// Each object version once, the best first.
    pub best: Vec<Candidate>,
    /// Whether as many rows were found as were asked for, so that there may be more. `best` can be
    /// shorter than that, because spare and superseded rows are left out of it.
    pub is_full: bool,
}

/// Least rows to ask a table for.
const LEAST_LIMIT: usize = 32;

/// Rows to ask for at first if a caller wants this many. It grows in steps, so that the pages of
/// one search mostly see the same candidates: what an index finds depends on the limit.
pub fn first_limit(wanted: usize) -> usize {
    let enough = wanted.saturating_add(wanted / 4 + 4);
    std::iter::successors(Some(LEAST_LIMIT), |limit| Some(limit.saturating_mul(4)))
        .find(|limit| *limit >= enough)
        .unwrap_or(enough)
}

/// The columns that [`read_candidates`] needs beside the score.
pub(crate) const CANDIDATE_COLUMNS: [&str; 5] =
    ["image_id", "bucket", "key", "content_hash", "written_at"];

impl Ledger {
    /// All object versions of a snapshot that meet a filter, but for what only captions know; each
    /// once, without a score.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn all_candidates(&self, filter: &Filter) -> Result<Vec<Candidate>, TableError> {
        let rows = self.rows(filter.expression(), &CANDIDATE_COLUMNS).await?;
        let read = read_rows(&rows, |_, _| Ok(0.0)).map_err(|error| self.unusable(error))?;
        Ok(once(read))
    }
}

/// Reads candidates; `score` turns the value in this column into a score. The best come first, and
/// equal scores by id, so that one version of a table always gives the same order.
pub(crate) fn read_candidates(
    batches: &[RecordBatch],
    score_column: &str,
    score: impl Fn(f32) -> f32,
) -> Result<Vec<Candidate>, ArrowError> {
    let mut candidates = read_rows(batches, |batch, row| {
        Ok(score(column::<Float32Array>(batch, score_column)?.value(row)))
    })?;
    candidates.sort_by(|a: &Candidate, b| {
        b.score.total_cmp(&a.score).then_with(|| a.image_id.cmp(&b.image_id))
    });
    Ok(candidates)
}

fn read_rows(
    batches: &[RecordBatch],
    score: impl Fn(&RecordBatch, usize) -> Result<f32, ArrowError>,
) -> Result<Vec<Candidate>, ArrowError> {
    let mut candidates = Vec::new();
    for batch in batches {
        let text = |name| column::<StringArray>(batch, name);
        let (ids, buckets, keys, hashes) =
            (text("image_id")?, text("bucket")?, text("key")?, text("content_hash")?);
        let written: &TimestampMicrosecondArray = column(batch, "written_at")?;
        for row in 0..batch.num_rows() {
            candidates.push(Candidate {
                image_id: ids.value(row).to_owned(),
                bucket: buckets.value(row).to_owned(),
                key: keys.value(row).to_owned(),
                content_hash: hashes.value(row).to_owned(),
                written_at: written.value(row),
                score: score(batch, row)?,
            });
        }
    }
    Ok(candidates)
}

/// Each object version once, by its best row.
pub(crate) fn once(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut seen = HashSet::new();
    candidates.retain(|candidate| seen.insert(candidate.image_id.clone()));
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_grows_in_steps_and_leaves_room_for_what_is_left_out() {
        assert_eq!([0, 6, 12, 18, 22].map(first_limit), [32; 5]);
        assert_eq!([24, 99].map(first_limit), [128; 2]);
        assert!((1..5000).all(|wanted| first_limit(wanted) > wanted));
        assert_eq!(first_limit(usize::MAX), usize::MAX);
    }
}
