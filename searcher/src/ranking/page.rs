//! From the order of all that was found to the hits of one page.

use std::collections::{HashMap, HashSet};

use table::candidates::Candidate;
use table::captions::CaptionText;
use table::captions::words::words_of;
use table::duplicates::Duplicates;
use table::schema::Facts;

use crate::problem::{self, Problem};
use crate::query::{Collapse, Query, Sort};
use crate::ranking::fusion::{Fused, Say, Signal};
use crate::ranking::held::{Held, matched};

/// Candidates whose objects are looked up at once.
const LEAST_CHUNK: usize = 32;
const MOST_CHUNK: usize = 500;

/// One found object.
#[derive(Debug)]
pub(crate) struct Hit {
    pub(crate) facts: Facts,
    pub(crate) score: f32,
    pub(crate) says: Vec<(Signal, Say)>,
    /// Words of the question that were found, as they were written.
    pub(crate) matched: Vec<String>,
    pub(crate) said: Option<CaptionText>,
    pub(crate) duplicates: Option<Duplicates>,
}

/// Part of an order.
pub(crate) struct Page {
    chosen: Vec<Fused>,
    /// Where the next page begins; `None` where there is nothing more.
    pub(crate) next: Option<usize>,
    /// Whether there are as many as were asked for.
    pub(crate) full: bool,
}

/// Chooses the objects of a page: each once, by its newest version. Only the first `settled`
/// candidates are looked at.
///
/// # Errors
/// The tables cannot be read.
pub(crate) async fn choose(
    held: &Held,
    fused: &[Fused],
    settled: usize,
    query: &Query,
) -> Result<Page, Problem> {
    let from = query.cursor.as_ref().map_or(0, |cursor| cursor.position);
    let collapses = query.collapse == Collapse::Duplicates;
    // What is a duplicate depends on all pages before.
    let begin = if collapses { 0 } else { from };
    let (mut seen, mut skip, mut chosen) = (HashSet::new(), query.offset, Vec::new());
    // Growing: where much is left out, many must be looked at.
    let mut chunk = (query.top_k + query.offset).clamp(LEAST_CHUNK, MOST_CHUNK);
    let mut place = begin;
    let mut rest = fused.get(begin..settled.min(fused.len())).unwrap_or_default();
    while !rest.is_empty() {
        let (some, further) = rest.split_at(chunk.min(rest.len()));
        (rest, chunk) = (further, (chunk * 2).min(MOST_CHUNK));
        let candidates: Vec<Candidate> =
            some.iter().map(|picture| picture.candidate.clone()).collect();
        let newest = held.newest(&candidates).await?;
        let unwanted = saying(held, &candidates, &query.unwanted).await?;
        for picture in some {
            place += 1;
            let Candidate { image_id, bucket, key, content_hash, .. } = &picture.candidate;
            let is_newest = newest.get(&(bucket.clone(), key.clone())) == Some(image_id);
            if !is_newest
                || unwanted.contains(image_id)
                || (collapses && !seen.insert(content_hash.clone()))
                || place <= from
            {
                continue;
            }
            if skip > 0 {
                skip -= 1;
                continue;
            }
            chosen.push(picture.clone());
            if chosen.len() == query.top_k {
                return Ok(Page {
                    chosen,
                    next: (place < fused.len()).then_some(place),
                    full: true,
                });
            }
        }
    }
    Ok(Page { chosen, next: None, full: false })
}

/// Which of these say one of these words.
async fn saying(
    held: &Held,
    candidates: &[Candidate],
    words: &[String],
) -> Result<HashSet<String>, Problem> {
    if words.is_empty() {
        return Ok(HashSet::new());
    }
    let words: Vec<_> = words.iter().flat_map(|word| words_of(word)).collect();
    let ids: Vec<_> = candidates.iter().map(|candidate| candidate.image_id.clone()).collect();
    let said = held.said(&ids).await?;
    let says = |candidate: &&Candidate| {
        let said = said.get(&candidate.image_id).cloned().unwrap_or_default();
        !matched(&words, &said, &candidate.key).is_empty()
    };
    Ok(candidates.iter().filter(says).map(|candidate| candidate.image_id.clone()).collect())
}

/// The order that was asked for.
///
/// # Errors
/// The tables cannot be read.
pub(crate) async fn sort(
    held: &Held,
    mut fused: Vec<Fused>,
    sort: Sort,
) -> Result<Vec<Fused>, Problem> {
    if sort == Sort::TakenAt {
        let ids: Vec<_> = fused.iter().map(|picture| picture.candidate.image_id.clone()).collect();
        let facts = held.facts(&ids).await?;
        let taken = |picture: &Fused| {
            facts.get(&picture.candidate.image_id).and_then(|facts| facts.taken_at)
        };
        // Stable: what was taken at the same time, or nobody knows when, stays in the order of
        // relevance.
        fused.sort_by_key(|picture| std::cmp::Reverse(taken(picture)));
    }
    Ok(fused)
}

impl Page {
    /// Its hits, with all that is shown of them.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub(crate) async fn hits(
        self,
        held: &Held,
        query: &Query,
        words: &[(String, String)],
    ) -> Result<Vec<Hit>, Problem> {
        let ids: Vec<_> =
            self.chosen.iter().map(|picture| picture.candidate.image_id.clone()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (mut facts, mut said) = tokio::try_join!(held.facts(&ids), held.said(&ids))?;
        let mut duplicates = match (&held.embeddings, query.collapse) {
            (Some(embeddings), Collapse::Duplicates) => {
                let hashes = self
                    .chosen
                    .iter()
                    .map(|picture| picture.candidate.content_hash.clone())
                    .collect();
                embeddings.duplicates(hashes, &query.filter).await.map_err(problem::tables)?
            }
            _ => HashMap::new(),
        };
        let hits =
            self.chosen.into_iter().filter_map(|Fused { candidate, score, says, .. }| {
                let facts = facts.remove(&candidate.image_id)?;
                let said = said.remove(&candidate.image_id);
                let matched =
                    said.as_ref().map(|said| matched(words, said, &facts.key)).unwrap_or_default();
                let collapses = query.collapse == Collapse::Duplicates;
                let copies = duplicates.remove(&candidate.content_hash).unwrap_or_default();
                let duplicates = collapses.then(|| Duplicates::of(&candidate.image_id, copies));
                Some(Hit { facts, score, says, matched, said, duplicates })
            });
        Ok(hits.collect())
    }
}
