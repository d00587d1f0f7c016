//! One search: what each signal finds, made one order, cut, and a page of it. All of it from one
//! version of each table, named in the cursor, so that pages neither repeat nor skip while the
//! tables grow.

mod background;
mod calibration;
pub(crate) mod cursor;
pub(crate) mod fusion;
mod held;
mod legs;
mod page;

use std::sync::Arc;

pub(crate) use background::Backdrop;
pub(crate) use page::Hit;
use table::candidates::first_limit;

use crate::engine::{Engine, Served};
use crate::problem::Problem;
use crate::query::{Cutoff, Query, Sort};
use cursor::Cursor;
use fusion::{Fused, Weights, cut, fuse};
use held::Held;
use legs::{Found, Question};

/// Hits, and what they came from.
pub(crate) struct Answer {
    pub(crate) hits: Vec<Hit>,
    /// Versions of the table of vectors and of that of captions; 0 for one that does not exist.
    pub(crate) table_version: u64,
    pub(crate) captions_version: Option<u64>,
    /// Whether all vectors of pictures were compared.
    pub(crate) exact: bool,
    pub(crate) weights: Weights,
    /// What the answer lacks, in a sentence.
    pub(crate) degraded: Option<String>,
    /// Candidates that were left out because nothing speaks for them.
    pub(crate) dropped: usize,
    pub(crate) next_cursor: Option<String>,
}

/// Answers a search.
///
/// # Errors
/// An example cannot be used, the cursor is too old, or the tables cannot be read.
pub(crate) async fn search(
    engine: &Engine,
    served: &Arc<Served>,
    query: Query,
) -> Result<Answer, Problem> {
    if query.of.is_said() {
        query.of.check(&served.loaded()?.space)?;
    }
    let held = Held::of(engine, served, query.cursor.as_ref()).await?;
    let (table_version, captions_version) = held.versions().await?;
    let question = Question::of(engine, served, &query, &held).await?;
    // To be put in another order, all must be there.
    let alone = question.signals.len() == 1 && query.sort == Sort::Relevance;
    let seen = held.position(query.cursor.as_ref()).await?;
    let mut limit = if alone {
        first_limit(seen.saturating_add(query.offset + query.top_k))
    } else {
        engine.candidates
    };
    loop {
        let Found { legs, scales, exact, degraded } =
            question.find(engine, served, &query, &held, limit).await?;
        // A single signal is asked for more when it is needed: its order does not depend on how
        // many were asked for. Several signals are always asked for the same number, because what
        // comes deeper would change the order of what was shown.
        let more = alone && legs.iter().any(|leg| leg.is_full);
        let mut fused = fuse(legs, query.fusion);
        let settled = if more { settled(&fused) } else { fused.len() };
        let found = fused.len();
        if query.cutoff == Cutoff::Auto {
            fused = cut(fused);
        }
        let dropped = found - fused.len();
        let fused = page::sort(&held, fused, query.sort).await?;
        // Beyond a cut nothing comes any more.
        let settled = if dropped > 0 { fused.len() } else { settled };
        let page = page::choose(&held, &fused, settled, &query).await?;
        if more && !page.full && dropped == 0 {
            limit = limit.saturating_mul(4);
            continue;
        }
        let next = page.next.or((more && page.full && dropped == 0).then_some(fused.len()));
        let next_cursor = next.map(|position| {
            let (query, model) =
                (query.digest.clone(), served.model().unwrap_or_default().to_owned());
            Cursor {
                query,
                model,
                embeddings: table_version,
                captions: captions_version,
                scales,
                position,
            }
            .write()
        });
        let hits = page.hits(&held, &query, &question.words).await?;
        let degraded = (!degraded.is_empty()).then(|| degraded.join("; "));
        let weights = question.weights;
        return Ok(Answer {
            hits,
            table_version,
            captions_version,
            exact,
            weights,
            degraded,
            dropped,
            next_cursor,
        });
    }
}

/// How many of the first are surely the first: rows that score the same as the last one may have
/// been cut off.
fn settled(fused: &[Fused]) -> usize {
    let last = fused.last().map(|picture| picture.score);
    fused.iter().position(|picture| Some(picture.score) == last).unwrap_or(0)
}
