//! Fusion: the scores of several signals become one order.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::order::HitPlace;
use super::reading::SignalReading;
use super::scored::ScoredPicture;
use crate::query::Sort;
use crate::query::weights::{Fusion, Signal};

/// The constant of reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009).
const RANK_CONSTANT: f32 = 60.0;
/// A hit that counts less than this share of the best one is cut off.
const MIN_SHARE_OF_BEST: f32 = 0.7;

/// The score of one signal for one picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub(crate) struct SignalScore {
    /// Cosine similarity, or BM25.
    pub(crate) score: f32,
    /// Standard deviations above the mean of a random sample of rows, or the share of the words
    /// that the picture holds, weighted by their rarity; null if there are too few rows.
    pub(crate) calibrated: Option<f32>,
    /// Rank by this signal, from 1, among the candidates of all signals; null for a hit that comes
    /// after them.
    pub(crate) rank: Option<usize>,
    /// What the signal adds to the picture's score.
    pub(crate) contribution: f32,
}

/// A picture with its place in the order.
#[derive(Debug, Clone)]
pub(crate) struct FusedPicture {
    pub(crate) picture: ScoredPicture,
    pub(crate) place: HitPlace,
    /// What its calibrated scores count, whatever fusion orders it.
    pub(crate) strength: f32,
    pub(crate) is_relevant: bool,
}

/// How the scores of a search become an order.
#[derive(Debug, Clone)]
pub(crate) struct Fuser {
    pub(crate) readings: Vec<SignalReading>,
    pub(crate) fusion: Fusion,
    pub(crate) sort: Sort,
}

/// Ranks of pictures by each signal.
pub(crate) type Ranks = HashMap<(u128, Signal), usize>;

impl Fuser {
    /// Whether the order depends on ranks, which only candidates have.
    pub(crate) fn needs_ranks(&self) -> bool {
        self.readings.len() > 1 && self.fusion == Fusion::Rrf
    }

    /// All pictures, best first. A single signal keeps its order.
    pub(crate) fn fuse(&self, pictures: &[ScoredPicture], ranks: &Ranks) -> Vec<FusedPicture> {
        let mut fused: Vec<_> = pictures.iter().map(|picture| self.fused(picture, ranks)).collect();
        fused.sort_unstable_by_key(|fused| fused.place);
        fused
    }

    /// One picture with its place.
    pub(crate) fn fused(&self, picture: &ScoredPicture, ranks: &Ranks) -> FusedPicture {
        // Vectors of unrelated sentences are too alike to make a picture relevant whose own vector
        // is compared.
        let compares_pictures = self.readings.iter().any(|known| known.signal == Signal::Image);
        let (mut score, mut strength, mut depth, mut is_relevant) = (0.0, 0.0, 0.0, false);
        for reading in &self.readings {
            let Some(read) = reading.read(picture) else { continue };
            let rank = ranks.get(&(picture.image_id, reading.signal)).copied();
            score += self.contribution(reading, picture, rank);
            strength += reading.weight * read.counts;
            // Without a scale, the cosine orders.
            let calibrated = read.value.or_else(|| picture.score(reading.signal));
            depth += reading.weight * calibrated.unwrap_or(0.0);
            is_relevant |=
                read.is_relevant && !(compares_pictures && reading.signal == Signal::CaptionVector);
        }
        let place = HitPlace {
            taken: picture.taken.filter(|_| self.sort == Sort::TakenAt),
            score,
            bm25: picture.words.bm25,
            depth,
            image_id: picture.image_id,
        };
        FusedPicture { picture: *picture, place, strength, is_relevant }
    }

    /// What a signal adds to the score of a picture.
    fn contribution(
        &self,
        reading: &SignalReading,
        picture: &ScoredPicture,
        rank: Option<usize>,
    ) -> f32 {
        let Some(read) = reading.read(picture) else { return 0.0 };
        match self.fusion {
            _ if self.readings.len() == 1 => match reading.signal {
                Signal::Text => picture.words.share,
                signal => picture.score(signal).unwrap_or(0.0),
            },
            Fusion::Weighted => reading.weight * read.counts,
            Fusion::Rrf => rank.map_or(0.0, |rank| reading.weight / (RANK_CONSTANT + rank as f32)),
        }
    }

    /// The score of every signal for one picture.
    pub(crate) fn explained(
        &self,
        picture: &ScoredPicture,
        ranks: &Ranks,
    ) -> Vec<(Signal, SignalScore)> {
        let explain = |reading: &SignalReading| {
            let rank = ranks.get(&(picture.image_id, reading.signal)).copied();
            let score = SignalScore {
                score: picture.score(reading.signal)?,
                calibrated: reading.read(picture)?.value,
                rank,
                contribution: self.contribution(reading, picture, rank),
            };
            Some((reading.signal, score))
        };
        self.readings.iter().filter_map(explain).collect()
    }

    /// The ranks of candidates by every signal.
    pub(crate) fn ranks(&self, pictures: &[ScoredPicture]) -> Ranks {
        let mut ranks = Ranks::new();
        for reading in &self.readings {
            let alone =
                Self { readings: vec![*reading], fusion: Fusion::Weighted, sort: Sort::Relevance };
            let said: Vec<_> = pictures
                .iter()
                .filter(|picture| picture.score(reading.signal).is_some())
                .copied()
                .collect();
            let ordered = alone.fuse(&said, &Ranks::new());
            let named = ordered.iter().zip(1..);
            ranks.extend(
                named.map(|(fused, rank)| ((fused.picture.image_id, reading.signal), rank)),
            );
        }
        ranks
    }
}

/// What counts less than this is cut off, given what counts most among the relevant ones.
pub(crate) fn least_strength(fused: &[FusedPicture]) -> f32 {
    let relevant = fused.iter().filter(|fused| fused.is_relevant);
    MIN_SHARE_OF_BEST * relevant.map(|fused| fused.strength).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests;
