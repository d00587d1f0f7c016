//! How alike two models answer: how many of a picture's nearest pictures both models name. Each
//! table is searched with its own vectors, so vectors of two spaces are never compared.

use std::cmp::Ordering;
use std::collections::HashSet;

use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use crate::candidates::{Candidates, first_limit};
use crate::embeddings::Embeddings;
use crate::error::TableError;
use crate::filter::Filter;
use crate::ledger::Ledger;

/// Neighbours that are compared per sample.
pub const NEIGHBOURS: usize = 10;

/// How alike two models answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overlap {
    /// Samples compared so far.
    pub samples: usize,
    /// Object versions that both tables hold. Samples are taken from these.
    pub common: usize,
    /// Mean share, from 0 to 1, of the ten nearest pictures in one table that are among the ten
    /// nearest in the other; of fewer if a table holds fewer. `None` before the first sample.
    pub mean: Option<f64>,
}

/// Compares the neighbours of at most `samples` pictures that both tables hold. The samples are
/// spread evenly over the ids, so the same tables give the same samples. `told` gets the result so
/// far after every sample.
///
/// # Errors
/// The store did not answer or refused.
pub async fn overlap(
    a: &Embeddings,
    b: &Embeddings,
    samples: usize,
    told: impl Fn(&Overlap),
) -> Result<Overlap, TableError> {
    let common = common(ids(a.ledger()).await?, &ids(b.ledger()).await?);
    let mut overlap = Overlap { samples: 0, common: common.len(), mean: None };
    let (step, mut sum) = (common.len().div_ceil(samples.max(1)).max(1), 0.0);
    for id in common.into_iter().step_by(step).map(|id| format!("{id:032x}")) {
        let (Some(near_a), Some(near_b)) = (neighbours(a, &id).await?, neighbours(b, &id).await?)
        else {
            continue;
        };
        let of = near_a.len().min(near_b.len());
        if of == 0 {
            continue;
        }
        sum += near_a.intersection(&near_b).count() as f64 / of as f64;
        overlap.samples += 1;
        overlap.mean = Some(sum / overlap.samples as f64);
        told(&overlap);
    }
    Ok(overlap)
}

/// The objects nearest to one that the table holds, without itself; `None` if it is gone by now.
async fn neighbours(
    table: &Embeddings,
    id: &str,
) -> Result<Option<HashSet<(String, String)>>, TableError> {
    let Some(vector) = table.vector(id).await? else { return Ok(None) };
    let snapshot = table.pinned().await?;
    let mut limit = first_limit(NEIGHBOURS + 1);
    loop {
        let (Candidates { mut best, is_full }, _) =
            snapshot.candidates(&vector, &Filter::default(), false, limit).await?;
        let last = best.last().map(|candidate| candidate.score);
        let newest = snapshot.newest(&best).await?;
        best.retain(|found| {
            newest.get(&(found.bucket.clone(), found.key.clone())) == Some(&found.image_id)
        });
        // Rows that score the same as the last candidate may have been cut off.
        let is_settled = best.get(NEIGHBOURS).is_some_and(|found| Some(found.score) > last);
        if is_settled || !is_full {
            best.truncate(NEIGHBOURS + 1);
            let others = best.into_iter().filter(|found| found.image_id != id).take(NEIGHBOURS);
            return Ok(Some(others.map(|found| (found.bucket, found.key)).collect()));
        }
        limit = limit.saturating_mul(4);
    }
}

/// All ids as numbers, in order: 16 bytes each.
async fn ids(ledger: &Ledger) -> Result<Vec<u128>, TableError> {
    let mut ids = Vec::new();
    let mut stream = ledger.all_ids().await?;
    while let Some(some) = stream.try_next().await? {
        ids.extend(some.iter().filter_map(|id| u128::from_str_radix(id, 16).ok()));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The numbers that are in both of two sorted lists.
fn common(mut a: Vec<u128>, b: &[u128]) -> Vec<u128> {
    let mut at = 0;
    a.retain(|id| {
        while b.get(at).is_some_and(|other| other.cmp(id) == Ordering::Less) {
            at += 1;
        }
        b.get(at) == Some(id)
    });
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_hold_is_found_in_one_pass() {
        assert_eq!(common(vec![1, 3, 5, 9], &[0, 3, 4, 5, 10]), [3, 5]);
        assert!(common(vec![1], &[]).is_empty() && common(vec![], &[1]).is_empty());
    }
}
