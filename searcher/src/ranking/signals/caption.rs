//! The signal `caption_vector`: the query vector against the vectors of captions.

use table::TableError;
use table::candidates::Candidates;

use crate::query::weights::Signal;
use crate::ranking::plan::QueryPlan;
use crate::ranking::search::Search;
use crate::ranking::signal_hits::{Reading, SignalHits};

/// The pictures with the nearest captions. `None` if there is no query vector or no table.
///
/// # Errors
/// The store did not answer or refused.
pub(super) async fn ask(
    search: &Search<'_>,
    plan: &QueryPlan,
    limit: usize,
) -> Result<Option<SignalHits>, TableError> {
    let (Some(vector), Some(captions)) = (&plan.vector, &search.snapshot.captions) else {
        return Ok(None);
    };
    let Candidates { best: found, is_full } =
        captions.candidates(vector, &search.query.filter, search.engine.exact, limit).await?;
    let signal = Signal::CaptionVector;
    let reading = Reading::Cosines(search.scale(signal, vector, captions.ledger()).await?);
    let weight = plan.weights.of(signal) as f32;
    Ok(Some(SignalHits { signal, weight, found, is_full, exact: true, reading }))
}
