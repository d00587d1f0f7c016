//! Which object versions have rows, as every stage asks its table.

use std::collections::HashSet;

use pipeline::{Failure, ImageId};
use table::ledger::Ledger;

use crate::failure::of_table;

/// The ids, of these, whose object versions have a row.
///
/// # Errors
/// The store did not answer or refused; see [`of_table`].
pub async fn existing_ids(ledger: &Ledger, ids: &[ImageId]) -> Result<HashSet<ImageId>, Failure> {
    let ids: Vec<_> = ids.iter().map(ImageId::to_string).collect();
    let existing = ledger.existing(&ids).await.map_err(of_table)?;
    Ok(existing.iter().filter_map(|id| id.parse().ok()).collect())
}
