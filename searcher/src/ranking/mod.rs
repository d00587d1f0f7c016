//! Ranking, in two steps. Every signal proposes its best pictures; then every signal's score is
//! looked up for each of them, and all scores together make the order. So the order does not depend
//! on which signal happened to propose a picture. It is cut off and paged. A search reads one
//! version of each table from its first page to its last, so pages neither repeat nor skip a hit
//! while the tables grow.

mod calibration;
pub(crate) mod calibrator;
pub(crate) mod cursor;
pub(crate) mod fusion;
mod order;
mod page;
mod plan;
mod query_vector;
mod question;
mod reading;
mod scale;
mod scored;
mod search;
mod view;
pub(crate) mod walk;

use std::sync::Arc;

use self::cursor::{Cursor, Scales};
use self::fusion::{FusedPicture, Ranks, least_strength};
use self::order::HitPlace;
use self::page::HitPage;
pub(crate) use self::page::RankedHit;
use self::plan::RankingPlan;
use self::scored::ScoredPicture;
use self::search::Search;
use self::view::Proposal;
use crate::active_model::ActiveModel;
use crate::engine::Engine;
use crate::problem::Problem;
use crate::query::weights::{Signal, Weights};
use crate::query::{Collapse, Cutoff, SearchQuery, Sort};
use crate::snapshot::TableVersions;

/// Hits, and what they came from.
pub(crate) struct RankedAnswer {
    pub(crate) hits: Vec<RankedHit>,
    pub(crate) versions: TableVersions,
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
/// An example cannot be used, the cursor is too old, or nothing can be read.
pub(crate) async fn search(
    engine: &Engine,
    model: &Arc<ActiveModel>,
    query: &SearchQuery,
) -> Result<RankedAnswer, Problem> {
    let search = Search::begin(engine, model, query).await?;
    match Box::pin(search.run()).await {
        // The tables answer what a damaged local file cannot.
        Err(_) if search.lost_its_snapshot() => {
            Box::pin(Search::begin(engine, model, query).await?.run()).await
        }
        answer => answer,
    }
}

impl Search<'_> {
    async fn run(&self) -> Result<RankedAnswer, Problem> {
        let mut plan = self.plan().await?;
        let Proposal { pictures, has_more, exact, degraded } =
            self.view.propose(&plan.question, self.engine.candidates).await?;
        plan.degraded.extend(degraded);
        leave_out_silent_words(&mut plan, &pictures);
        let ranks = plan.fuser.ranks(&pictures);
        let mut fused = plan.fuser.fuse(&pictures, &ranks);
        let found = fused.len();
        if self.query.cutoff == Cutoff::Auto {
            let least = least_strength(&fused);
            fused.retain(|fused| fused.is_relevant && fused.strength >= least);
        }
        let dropped = found - fused.len();
        // Nothing comes after a cutoff that left something out.
        let goes_on = has_more && dropped == 0 && self.can_go_on(&plan);
        let (page, is_past_candidates) = self.page(&mut plan, &pictures, fused, goes_on).await?;
        let next_cursor = match (page.has_more, page.chosen.last()) {
            (true, Some(last)) => {
                self.keep_snapshot().await;
                Some(self.cursor_after(last, &plan, is_past_candidates))
            }
            _ => None,
        };
        Ok(RankedAnswer {
            hits: self.hits(page.chosen, &plan, &ranks).await?,
            versions: self.versions,
            exact,
            weights: plan.weights,
            degraded: (!plan.degraded.is_empty()).then(|| plan.degraded.join("; ")),
            dropped,
            next_cursor,
        })
    }

    /// Whether pages go on after the candidates. The order of relevance can be told for any
    /// picture; ranks, dates and contents are compared among the candidates only.
    fn can_go_on(&self, plan: &RankingPlan) -> bool {
        self.query.sort == Sort::Relevance
            && self.query.collapse == Collapse::None
            && !plan.fuser.needs_ranks()
    }

    /// Chooses the pictures of the page, and says whether the last one comes after the candidates.
    async fn page(
        &self,
        plan: &mut RankingPlan,
        pictures: &[ScoredPicture],
        fused: Vec<FusedPicture>,
        goes_on: bool,
    ) -> Result<(HitPage, bool), Problem> {
        let mut page = HitPage::new(self.query.offset, self.query.top_k);
        let (after, was_past) = match &self.cursor {
            Some(cursor) => (Some(cursor.after), cursor.is_past_candidates),
            None => (None, false),
        };
        if !was_past {
            page.fill(self.after(fused.clone(), after));
        }
        if !goes_on {
            return Ok((page, false));
        }
        if page.is_full() {
            // Whether anything follows the candidates is known when the next page is asked for.
            page.has_more = true;
            return Ok((page, false));
        }
        let before = page.chosen.len();
        let place = after.filter(|_| was_past);
        match self.walk(plan, pictures, &fused).await? {
            Some(walk) => {
                let begin = place.map_or(0, |place| walk.partition_point(|other| *other <= place));
                let (some, has_more) = page.take_places(walk.get(begin..).unwrap_or_default());
                let ids: Vec<u128> = some.iter().map(|place| place.image_id).collect();
                let scored = self.view.scored(&plan.question, &ids).await?;
                page.chosen.extend(plan.fuser.fuse(&scored, &Ranks::new()));
                page.has_more = has_more;
            }
            None => plan
                .degraded
                .push(String::from("pages end here, until the searcher has the tables in memory")),
        }
        let has_grown = page.chosen.len() > before;
        Ok((page, was_past || has_grown))
    }

    /// The places of all pictures after the candidates, in their order.
    async fn walk(
        &self,
        plan: &RankingPlan,
        pictures: &[ScoredPicture],
        candidates: &[FusedPicture],
    ) -> Result<Option<Arc<Vec<HitPlace>>>, Problem> {
        let model = self.model.id().unwrap_or_default().to_owned();
        let key = (self.query.digest.clone(), self.versions, model);
        if let Some(walk) = self.engine.walks.get(&key).await {
            return Ok(Some(walk));
        }
        let least = (self.query.cutoff == Cutoff::Auto).then(|| least_strength(candidates));
        let rest = self.view.rest(&plan.question, pictures, &plan.fuser, least).await?;
        let Some(rest) = rest else { return Ok(None) };
        let walk = Arc::new(rest);
        self.engine.walks.keep(key, &walk).await;
        Ok(Some(walk))
    }

    fn cursor_after(&self, last: &FusedPicture, plan: &RankingPlan, is_past: bool) -> String {
        let scales = plan.fuser.readings.iter();
        let scales: Scales =
            scales.filter_map(|reading| Some((reading.signal, reading.scale?))).collect();
        let cursor = Cursor {
            query: self.query.digest.clone(),
            model: self.model.id().unwrap_or_default().to_owned(),
            embeddings: self.versions.embeddings,
            captions: self.versions.captions,
            scales,
            term_weights: plan.question.terms.iter().map(|term| term.weight).collect(),
            after: last.place,
            is_past_candidates: is_past,
        };
        cursor.write(&self.engine.seal)
    }
}

/// Words that no candidate holds say nothing: the other signals keep their own scores.
fn leave_out_silent_words(plan: &mut RankingPlan, pictures: &[ScoredPicture]) {
    let is_silent = pictures.iter().all(|picture| picture.words.share == 0.0);
    if is_silent && plan.fuser.readings.len() > 1 {
        plan.fuser.readings.retain(|reading| reading.signal != Signal::Text);
    }
}
