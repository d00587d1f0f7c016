//! Spare rows: several rows of one object version and view. Two deliveries of one job may both have
//! appended, and a picture may have been captioned again. Readers count one of them; the others are
//! removed here.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{StringArray, TimestampMicrosecondArray};
use futures::TryStreamExt;
use lancedb::expr::{DfExpr, col, lit};
use serde::Serialize;

use crate::error::TableError;
use crate::expression::{MOST_VALUES, one_of};
use crate::ledger::Ledger;
use crate::schema::column;

/// Batches in one condition, which bounds its depth.
const BATCHES_PER_DELETE: usize = 32;

/// The result of removing spare rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Spares {
    /// Rows removed.
    pub removed: usize,
}

/// Rows to remove: image ids by (batch, view). An object version is in a batch at most once, so
/// batch, view and id name one row.
type SpareRows = BTreeMap<(String, Option<String>), Vec<String>>;

/// Keeps one row of every object version and view, and removes the others. In a table of captions
/// that is the row written last, because it answers the latest prompt. In other tables it is the
/// row written first, because there all rows of an object version hold the same. The order in which
/// rows give way is always the same, so two maintainers at once, or a row committed meanwhile,
/// never lead to the removal of all rows.
///
/// # Errors
/// A malformed image id, or the store did not answer or refused.
pub async fn remove_spares(ledger: &Ledger) -> Result<Spares, TableError> {
    let spares = spare_rows(ledger).await?;
    let mut removed = 0;
    let batches: Vec<_> = spares.into_iter().flat_map(split).collect();
    for some in batches.chunks(BATCHES_PER_DELETE) {
        let condition = some.iter().map(rows_of_batch).reduce(DfExpr::or);
        if let Some(condition) = condition {
            ledger.delete_where(condition).await?;
        }
        removed += some.iter().map(|(_, ids)| ids.len()).sum::<usize>();
    }
    Ok(Spares { removed })
}

/// Batch and view, and image ids of some of their rows.
type RowsOfBatch = ((String, Option<String>), Vec<String>);

fn split((batch, ids): RowsOfBatch) -> Vec<RowsOfBatch> {
    ids.chunks(MOST_VALUES / BATCHES_PER_DELETE).map(|ids| (batch.clone(), ids.to_vec())).collect()
}

fn rows_of_batch(((batch_id, view), ids): &RowsOfBatch) -> DfExpr {
    let condition = col("batch_id").eq(lit(batch_id.as_str())).and(one_of("image_id", ids));
    match view {
        Some(view) => condition.and(col("view").eq(lit(view.as_str()))),
        None => condition,
    }
}

/// All spare rows of the newest version. Takes 16 bytes of memory per row, and more only for rows
/// that have spares.
async fn spare_rows(ledger: &Ledger) -> Result<SpareRows, TableError> {
    let pinned = ledger.pinned().await?;
    let has_views = pinned.has_column("view").await?;
    // Captions have a prompt.
    let is_last_kept = pinned.has_column("prompt_hash").await?;
    let mut spares = SpareRows::new();
    for some in doubled_ids(&pinned).await?.chunks(MOST_VALUES) {
        let mut columns = vec!["image_id", "batch_id", "written_at"];
        columns.extend(has_views.then_some("view"));
        // (image id, view) -> (written at, batch) of each row.
        let mut rows: HashMap<_, Vec<(i64, String)>> = HashMap::new();
        let ids = some.iter().map(|id| format!("{id:032x}"));
        for batch in pinned.rows(Some(one_of("image_id", ids)), &columns).await? {
            let unusable = |error| pinned.unusable(error);
            let text = |name| column::<StringArray>(&batch, name).map_err(unusable);
            let (ids, batches) = (text("image_id")?, text("batch_id")?);
            let views = if has_views { Some(text("view")?) } else { None };
            let written: &TimestampMicrosecondArray =
                column(&batch, "written_at").map_err(unusable)?;
            for row in 0..batch.num_rows() {
                let view = views.map(|views| views.value(row).to_owned());
                let rows = rows.entry((ids.value(row).to_owned(), view)).or_default();
                rows.push((written.value(row), batches.value(row).to_owned()));
            }
        }
        for ((image_id, view), mut rows) in rows {
            rows.sort();
            let kept = if is_last_kept { rows.last() } else { rows.first() };
            let kept = kept.map(|(_, batch)| batch.clone());
            let others = rows
                .into_iter()
                .map(|(_, batch)| batch)
                .filter(|batch| Some(batch) != kept.as_ref());
            for batch in others {
                spares.entry((batch, view.clone())).or_default().push(image_id.clone());
            }
        }
    }
    Ok(spares)
}

/// The ids that are in more than one row, each once.
async fn doubled_ids(ledger: &Ledger) -> Result<Vec<u128>, TableError> {
    let mut all = Vec::with_capacity(ledger.count_rows().await?);
    let mut batches = ledger.all_ids().await?;
    while let Some(ids) = batches.try_next().await? {
        for id in ids {
            let parsed =
                u128::from_str_radix(&id, 16).ok().filter(|parsed| format!("{parsed:032x}") == id);
            all.push(parsed.ok_or_else(|| ledger.unusable(format!("'{id}' is not an image id")))?);
        }
    }
    all.sort_unstable();
    let mut doubled: Vec<_> =
        all.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    doubled.dedup();
    Ok(doubled)
}

impl Ledger {
    /// Number of spare rows: rows beyond one of each object version and view. Reads the ids of all
    /// rows.
    ///
    /// # Errors
    /// A malformed image id, or the store did not answer or refused.
    pub async fn spare_rows(&self) -> Result<usize, TableError> {
        Ok(spare_rows(self).await?.values().map(Vec::len).sum())
    }
}
