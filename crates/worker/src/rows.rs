//! Questions to a table as every stage asks them.

use std::collections::HashSet;

use pipeline::{Failure, ImageId};
use table::ledger::Ledger;

use crate::failure::of_table;

/// Which of these object versions have a row.
///
/// # Errors
/// As [`of_table`].
pub async fn existing(ledger: &Ledger, ids: &[ImageId]) -> Result<HashSet<ImageId>, Failure> {
    let ids: Vec<_> = ids.iter().map(ImageId::to_string).collect();
    let existing = ledger.existing(&ids).await.map_err(of_table)?;
    Ok(existing.iter().filter_map(|id| id.parse().ok()).collect())
}
