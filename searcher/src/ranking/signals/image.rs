//! The signal `image`: the query vector against the vectors of pictures.

use table::TableError;
use table::candidates::Candidates;

use crate::query::weights::Signal;
use crate::ranking::plan::QueryPlan;
use crate::ranking::search::Search;
use crate::ranking::signal_hits::{Reading, SignalHits};

/// The nearest pictures. `None` if there is no query vector or no table.
///
/// # Errors
/// The store did not answer or refused.
pub(super) async fn ask(
    search: &Search<'_>,
    plan: &QueryPlan,
    limit: usize,
) -> Result<Option<SignalHits>, TableError> {
    let (Some(vector), Some(embeddings)) = (&plan.vector, &search.snapshot.embeddings) else {
        return Ok(None);
    };
    let (Candidates { best: mut found, mut is_full }, exact) =
        embeddings.candidates(vector, &plan.image_filter, search.engine.exact, limit).await?;
    if let Some(min) = search.query.min_score {
        // Candidates come in the order of their scores, so none follows one that is too low.
        is_full &= found.iter().all(|candidate| candidate.score >= min);
        found.retain(|candidate| candidate.score >= min);
    }
    let signal = Signal::Image;
    let reading = Reading::Cosines(search.scale(signal, vector, embeddings.ledger()).await?);
    let weight = plan.weights.of(signal) as f32;
    Ok(Some(SignalHits { signal, weight, found, is_full, exact, reading }))
}
