//! From the order of all pictures to the hits of one page.

use std::collections::{HashMap, HashSet};

use table::captions::CaptionText;
use table::duplicates::Duplicates;
use table::schema::Facts;
use table::words::{held, words_held};

use super::fusion::{FusedPicture, Ranks, SignalScore};
use super::order::HitPlace;
use super::plan::RankingPlan;
use super::search::Search;
use crate::problem::Problem;
use crate::query::Collapse;
use crate::query::weights::Signal;

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

/// The pictures of one page, while they are chosen.
pub(super) struct HitPage {
    pub(super) chosen: Vec<FusedPicture>,
    /// Hits that are still to be skipped.
    skip: usize,
    wanted: usize,
    /// Whether further pictures follow the last one.
    pub(super) has_more: bool,
}

impl HitPage {
    pub(super) fn new(skip: usize, wanted: usize) -> Self {
        Self { chosen: Vec::new(), skip, wanted, has_more: false }
    }

    pub(super) fn is_full(&self) -> bool {
        self.chosen.len() >= self.wanted
    }

    /// Adds pictures in their order, as far as there is room.
    pub(super) fn fill(&mut self, pictures: impl IntoIterator<Item = FusedPicture>) {
        for picture in pictures {
            if self.is_full() {
                self.has_more = true;
                return;
            }
            if self.skip > 0 {
                self.skip -= 1;
            } else {
                self.chosen.push(picture);
            }
        }
    }
}

impl HitPage {
    /// Those of some places that are on the page, and whether others follow.
    pub(super) fn take_places<'a>(&mut self, places: &'a [HitPlace]) -> (&'a [HitPlace], bool) {
        let skipped = self.skip.min(places.len());
        self.skip -= skipped;
        let rest = places.get(skipped..).unwrap_or_default();
        let room = self.wanted.saturating_sub(self.chosen.len()).min(rest.len());
        (rest.get(..room).unwrap_or_default(), room < rest.len())
    }
}

impl Search<'_> {
    /// The candidates that come after a place, in their order; with `collapse`, of each content
    /// only the first one of all.
    pub(super) fn after(
        &self,
        mut fused: Vec<FusedPicture>,
        place: Option<HitPlace>,
    ) -> Vec<FusedPicture> {
        if self.query.collapse == Collapse::Duplicates {
            let mut seen = HashSet::new();
            fused.retain(|fused| seen.insert(fused.picture.content));
        }
        fused.retain(|fused| place.is_none_or(|place| fused.place > place));
        fused
    }

    /// The hits of a page, with everything that is shown of them.
    ///
    /// # Errors
    /// Nothing can be read.
    pub(super) async fn hits(
        &self,
        chosen: Vec<FusedPicture>,
        plan: &RankingPlan,
        ranks: &Ranks,
    ) -> Result<Vec<RankedHit>, Problem> {
        let ids: Vec<u128> = chosen.iter().map(|hit| hit.picture.image_id).collect();
        let mut shown: HashMap<_, _> = self.view.shown(&ids).await?.into_iter().collect();
        let collapses = self.query.collapse == Collapse::Duplicates;
        let hashes: Vec<_> = shown
            .iter()
            .map(|(image_id, hit)| (*image_id, hit.facts.content_hash.clone()))
            .collect();
        let mut duplicates = match collapses && !hashes.is_empty() {
            true => self.view.duplicates(&hashes, &self.query.filter).await?,
            false => HashMap::new(),
        };
        let written = &plan.question.written;
        let hits = chosen.into_iter().filter_map(|FusedPicture { picture, place, .. }| {
            let hit = shown.remove(&picture.image_id)?;
            Some(RankedHit {
                score: place.score,
                signals: plan.fuser.explained(&picture, ranks),
                matched: matched(written, &hit.facts.key, hit.caption.as_ref()),
                duplicates: collapses
                    .then(|| duplicates.remove(&picture.image_id).unwrap_or_default()),
                facts: hit.facts,
                caption: hit.caption,
            })
        });
        Ok(hits.collect())
    }
}

/// Those of the words that a key or a caption holds, as the query wrote them.
fn matched(written: &[(String, String)], key: &str, caption: Option<&CaptionText>) -> Vec<String> {
    if written.is_empty() {
        return Vec::new();
    }
    let mut occurrences = held(written, key).occurrences;
    if let Some(caption) = caption {
        let more = held(written, &caption.words("")).occurrences;
        occurrences.iter_mut().zip(more).for_each(|(count, more)| *count += more);
    }
    words_held(written, &occurrences).into_iter().map(str::to_owned).collect()
}
