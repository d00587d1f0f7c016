//! From the order of all candidates to the hits of one page.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use table::candidates::Candidate;
use table::captions::CaptionText;
use table::captions::words::words_of;
use table::duplicates::Duplicates;
use table::schema::Facts;

use super::fusion::{FusedPicture, SignalScore};
use super::search::Search;
use super::snapshot::matched;
use crate::problem::{self, Problem};
use crate::query::weights::Signal;
use crate::query::{Collapse, Sort};

/// Candidates whose objects are looked up at once.
const MIN_CHUNK: usize = 32;
const MAX_CHUNK: usize = 500;

/// One found object, with everything that is shown of it.
#[derive(Debug)]
pub(crate) struct RankedHit {
    pub(crate) facts: Facts,
    pub(crate) score: f32,
    pub(crate) signals: Vec<(Signal, SignalScore)>,
    /// Words of the query that the picture's words hold, as the query wrote them.
    pub(crate) matched: Vec<String>,
    pub(crate) caption: Option<CaptionText>,
    /// `None` unless the query collapses duplicates.
    pub(crate) duplicates: Option<Duplicates>,
}

/// The pictures of one page.
pub(super) struct HitPage {
    chosen: Vec<FusedPicture>,
    /// Position at which the next page begins; `None` after the last candidate.
    pub(super) next: Option<usize>,
    /// Whether there are `top_k` pictures.
    pub(super) is_full: bool,
}

impl Search<'_> {
    /// Puts the pictures in the order that the query asks for.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub(super) async fn sort(
        &self,
        mut fused: Vec<FusedPicture>,
    ) -> Result<Vec<FusedPicture>, Problem> {
        match self.query.sort {
            Sort::Relevance => {}
            Sort::TakenAt => {
                let facts = self.snapshot.facts(&ids_of(&fused)).await?;
                let taken = |picture: &FusedPicture| {
                    facts.get(&picture.candidate.image_id).and_then(|facts| facts.taken_at)
                };
                // Stable: pictures of the same moment, or without one, stay in the order of
                // relevance.
                fused.sort_by_key(|picture| Reverse(taken(picture)));
            }
        }
        Ok(fused)
    }

    /// Chooses the objects of the page: each object once, by its newest version, and without
    /// excluded words. Only the first `settled` candidates are looked at.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub(super) async fn choose(
        &self,
        fused: &[FusedPicture],
        settled: usize,
    ) -> Result<HitPage, Problem> {
        let query = self.query;
        let from = self.cursor.as_ref().map_or(0, |cursor| cursor.position);
        let collapses = query.collapse == Collapse::Duplicates;
        // All former pages decide which picture is a duplicate.
        let mut place = if collapses { 0 } else { from };
        let mut rest = fused.get(place..settled.min(fused.len())).unwrap_or_default();
        let (mut seen, mut skip, mut chosen) = (HashSet::new(), query.offset, Vec::new());
        // Growing, because many must be looked at where many are left out.
        let mut chunk = (query.top_k + query.offset).clamp(MIN_CHUNK, MAX_CHUNK);
        while !rest.is_empty() {
            let (some, further) = rest.split_at(chunk.min(rest.len()));
            (rest, chunk) = (further, (chunk * 2).min(MAX_CHUNK));
            let may_be_shown = self.may_be_shown(some).await?;
            for (picture, may_be_shown) in some.iter().zip(may_be_shown) {
                place += 1;
                if !may_be_shown
                    || (collapses && !seen.insert(picture.candidate.content_hash.clone()))
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
                    let next = (place < fused.len()).then_some(place);
                    return Ok(HitPage { chosen, next, is_full: true });
                }
            }
        }
        Ok(HitPage { chosen, next: None, is_full: false })
    }

    /// For each picture, whether it is the newest version of its object and has no excluded word.
    async fn may_be_shown(&self, some: &[FusedPicture]) -> Result<Vec<bool>, Problem> {
        let candidates: Vec<Candidate> =
            some.iter().map(|picture| picture.candidate.clone()).collect();
        let newest = self.snapshot.newest(&candidates).await?;
        let excluded = self.excluded(&candidates).await?;
        let may_be_shown = |candidate: &Candidate| {
            let object = (candidate.bucket.clone(), candidate.key.clone());
            newest.get(&object) == Some(&candidate.image_id)
                && !excluded.contains(&candidate.image_id)
        };
        Ok(candidates.iter().map(may_be_shown).collect())
    }

    /// Ids of the candidates whose words hold an excluded word.
    async fn excluded(&self, candidates: &[Candidate]) -> Result<HashSet<String>, Problem> {
        if self.query.excluded.is_empty() {
            return Ok(HashSet::new());
        }
        let terms: Vec<_> = self.query.excluded.iter().flat_map(|word| words_of(word)).collect();
        let ids: Vec<_> = candidates.iter().map(|candidate| candidate.image_id.clone()).collect();
        let captions = self.snapshot.caption_texts(&ids).await?;
        let is_excluded = |candidate: &&Candidate| {
            let caption = captions.get(&candidate.image_id).cloned().unwrap_or_default();
            !matched(&terms, &caption, &candidate.key).is_empty()
        };
        let excluded = candidates.iter().filter(is_excluded);
        Ok(excluded.map(|candidate| candidate.image_id.clone()).collect())
    }

    /// The hits of a page, with everything that is shown of them. `terms` are those of the query.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub(super) async fn hits(
        &self,
        page: HitPage,
        terms: &[(String, String)],
    ) -> Result<Vec<RankedHit>, Problem> {
        let ids = ids_of(&page.chosen);
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (mut facts, mut captions) =
            tokio::try_join!(self.snapshot.facts(&ids), self.snapshot.caption_texts(&ids))?;
        let collapses = self.query.collapse == Collapse::Duplicates;
        let mut copies = match &self.snapshot.embeddings {
            Some(embeddings) if collapses => {
                let hashes = page.chosen.iter().map(|hit| hit.candidate.content_hash.clone());
                let copies = embeddings.duplicates(hashes.collect(), &self.query.filter).await;
                copies.map_err(problem::tables)?
            }
            _ => HashMap::new(),
        };
        let hits = page.chosen.into_iter().filter_map(|picture| {
            let FusedPicture { candidate, score, signals, .. } = picture;
            let facts = facts.remove(&candidate.image_id)?;
            let caption = captions.remove(&candidate.image_id);
            let matched = caption
                .as_ref()
                .map(|caption| matched(terms, caption, &facts.key))
                .unwrap_or_default();
            let copies = copies.remove(&candidate.content_hash).unwrap_or_default();
            let duplicates = collapses.then(|| Duplicates::of(&candidate.image_id, copies));
            Some(RankedHit { facts, score, signals, matched, caption, duplicates })
        });
        Ok(hits.collect())
    }
}

fn ids_of(pictures: &[FusedPicture]) -> Vec<String> {
    pictures.iter().map(|picture| picture.candidate.image_id.clone()).collect()
}
