//! The signal `text`: BM25 over the words of captions, keywords and keys.

use std::slice;

use table::TableError;
use table::candidates::{Candidate, Candidates};
use table::captions::Captions;

use crate::query::weights::Signal;
use crate::ranking::plan::QueryPlan;
use crate::ranking::search::Search;
use crate::ranking::signal_hits::{Reading, SignalHits};
use crate::ranking::snapshot::matched;

/// The pictures whose words match best. `None` if there are no words or no table.
///
/// # Errors
/// The store did not answer or refused.
pub(super) async fn ask(
    search: &Search<'_>,
    plan: &QueryPlan,
    limit: usize,
) -> Result<Option<SignalHits>, TableError> {
    let (Some(words), Some(captions)) = (&search.query.words, &search.snapshot.captions) else {
        return Ok(None);
    };
    let Candidates { best: found, is_full } =
        captions.matching(words, &search.query.filter, limit).await?;
    let reading = match found.first() {
        Some(best) => {
            let held = share_of_terms(plan, captions, best).await?;
            Reading::Words { best: best.score, held }
        }
        None => Reading::Words { best: 0.0, held: 0.0 },
    };
    let signal = Signal::Text;
    let weight = plan.weights.of(signal) as f32;
    Ok(Some(SignalHits { signal, weight, found, is_full, exact: true, reading }))
}

/// Share of the terms that a picture's words hold, from 0 to 1.
async fn share_of_terms(
    plan: &QueryPlan,
    captions: &Captions,
    picture: &Candidate,
) -> Result<f32, TableError> {
    let texts = captions.said(slice::from_ref(&picture.image_id)).await?;
    let held = texts
        .get(&picture.image_id)
        .map_or(0, |text| matched(&plan.terms, text, &picture.key).len());
    Ok(held as f32 / plan.terms.len().max(1) as f32)
}
