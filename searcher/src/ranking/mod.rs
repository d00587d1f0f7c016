//! Ranking: what each signal finds becomes one order, is cut off and paged. A search reads one
//! version of each table from its first page to its last, so pages neither repeat nor skip a hit
//! while the tables grow.

mod calibration;
pub(crate) mod calibrator;
pub(crate) mod cursor;
pub(crate) mod fusion;
mod page;
mod plan;
mod query_vector;
mod search;
mod signal_hits;
mod signals;
mod snapshot;

use std::sync::Arc;

use table::candidates::first_limit;

use self::calibration::Scale;
use self::cursor::{Cursor, Scales};
use self::fusion::{FusedPicture, cut, fuse};
use self::page::HitPage;
pub(crate) use self::page::RankedHit;
use self::plan::QueryPlan;
use self::search::Search;
use self::signal_hits::{Reading, SignalHits};
use self::signals::SignalResults;
pub(crate) use self::snapshot::SnapshotVersions;
use crate::active_model::ActiveModel;
use crate::engine::Engine;
use crate::problem::Problem;
use crate::query::weights::{Signal, Weights};
use crate::query::{Cutoff, SearchQuery, Sort};

/// Hits, and what they came from.
pub(crate) struct RankedAnswer {
    pub(crate) hits: Vec<RankedHit>,
    pub(crate) versions: SnapshotVersions,
    /// Whether all vectors of pictures were compared.
    pub(crate) exact: bool,
    pub(crate) weights: Weights,
    /// What the answer lacks, in a sentence.
    pub(crate) degraded: Option<String>,
    /// Number of candidates that the cutoff left out.
    pub(crate) dropped: usize,
    pub(crate) next_cursor: Option<String>,
}

/// Answers a search.
///
/// # Errors
/// An example cannot be used, the cursor is too old, or the tables cannot be read.
pub(crate) async fn search(
    engine: &Engine,
    model: &Arc<ActiveModel>,
    query: &SearchQuery,
) -> Result<RankedAnswer, Problem> {
    Search::begin(engine, model, query).await?.run().await
}

/// The result of asking all signals once.
struct RankingRound {
    page: HitPage,
    /// Position at which the next page begins.
    next: Option<usize>,
    /// Whether the page lacks hits that more candidates may bring.
    is_incomplete: bool,
    dropped: usize,
    exact: bool,
    scales: Scales,
    degraded: Vec<String>,
}

impl Search<'_> {
    async fn run(&self) -> Result<RankedAnswer, Problem> {
        let versions = self.snapshot.versions().await?;
        let plan = self.plan().await?;
        let mut limit = self.first_limit(&plan).await?;
        let round = loop {
            let round = self.round(&plan, limit).await?;
            if !round.is_incomplete {
                break round;
            }
            limit = limit.saturating_mul(4);
        };
        let next_cursor = round.next.map(|position| {
            let cursor = Cursor {
                query: self.query.digest.clone(),
                model: self.model.id().unwrap_or_default().to_owned(),
                embeddings: versions.embeddings,
                captions: versions.captions,
                scales: round.scales,
                position,
            };
            cursor.write(&self.engine.seal)
        });
        Ok(RankedAnswer {
            hits: self.hits(round.page, &plan.terms).await?,
            versions,
            exact: round.exact,
            weights: plan.weights,
            degraded: (!round.degraded.is_empty()).then(|| round.degraded.join("; ")),
            dropped: round.dropped,
            next_cursor,
        })
    }

    /// How many candidates each signal is asked for at first.
    async fn first_limit(&self, plan: &QueryPlan) -> Result<usize, Problem> {
        let seen = self.snapshot.position(self.cursor.as_ref()).await?;
        Ok(match self.can_extend(plan) {
            true => first_limit(seen.saturating_add(self.query.offset + self.query.top_k)),
            false => self.engine.candidates,
        })
    }

    /// Whether more candidates may be asked for. The order of a single signal does not depend on
    /// their number. The order of several signals does, and so does another order than that of
    /// relevance: then the number is always the same.
    fn can_extend(&self, plan: &QueryPlan) -> bool {
        plan.signals.len() == 1 && self.query.sort == Sort::Relevance
    }

    async fn round(&self, plan: &QueryPlan, limit: usize) -> Result<RankingRound, Problem> {
        let SignalResults { hits, degraded } = self.ask(plan, limit).await?;
        let scales = hits.iter().filter_map(scale_of).collect();
        let exact = hits.iter().all(|hits| hits.exact);
        let has_more = self.can_extend(plan) && hits.iter().any(|hits| hits.is_full);
        let mut fused = fuse(hits, self.query.fusion);
        let settled = if has_more { settled(&fused) } else { fused.len() };
        let found = fused.len();
        if self.query.cutoff == Cutoff::Auto {
            fused = cut(fused);
        }
        let dropped = found - fused.len();
        let fused = self.sort(fused).await?;
        // Nothing comes after a cutoff that left something out.
        let has_more = has_more && dropped == 0;
        let settled = if dropped > 0 { fused.len() } else { settled };
        let page = self.choose(&fused, settled).await?;
        let next = page.next.or((has_more && page.is_full).then_some(fused.len()));
        let is_incomplete = has_more && !page.is_full;
        Ok(RankingRound { page, next, is_incomplete, dropped, exact, scales, degraded })
    }
}

fn scale_of(hits: &SignalHits) -> Option<(Signal, Scale)> {
    match hits.reading {
        Reading::Cosines(scale) => scale.map(|scale| (hits.signal, scale)),
        Reading::Words { .. } => None,
    }
}

/// How many of the first pictures surely stay the first when more candidates are asked for:
/// candidates that score the same as the last one may have been cut off.
fn settled(fused: &[FusedPicture]) -> usize {
    let last = fused.last().map(|picture| picture.score);
    fused.iter().position(|picture| Some(picture.score) == last).unwrap_or(0)
}
