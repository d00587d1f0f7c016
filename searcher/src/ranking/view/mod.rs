//! What a search reads: a snapshot in memory, or the tables themselves while there is none. Both
//! give the same hits; the tables take longer.

mod memory;
mod tables;

use std::collections::HashMap;
use std::sync::Arc;

use ::snapshot::vectors::Vectors;
use table::captions::CaptionText;
use table::duplicates::Duplicates;
use table::filter::Filter;
use table::schema::Facts;

pub(crate) use self::memory::MemoryView;
pub(crate) use self::tables::TableView;
use super::fusion::{FusedPicture, Fuser, Ranks};
use super::order::HitPlace;
use super::question::Question;
use super::scored::ScoredPicture;
use crate::problem::Problem;
use crate::query::weights::Signal;

/// A version of the tables, made to be read by searches.
pub(crate) enum SearchView {
    /// In memory.
    Memory(MemoryView),
    /// On the bucket.
    Tables(Box<TableView>),
}

/// What the signals proposed, each picture once.
#[derive(Debug, Default)]
pub(crate) struct Proposal {
    pub(crate) pictures: Vec<ScoredPicture>,
    /// Whether further pictures can be found.
    pub(crate) has_more: bool,
    /// Whether all vectors of pictures were compared.
    pub(crate) exact: bool,
    /// What the answer lacks, in sentences.
    pub(crate) degraded: Vec<String>,
}

/// What is shown of a hit.
#[derive(Debug)]
pub(crate) struct ShownHit {
    pub(crate) facts: Facts,
    pub(crate) caption: Option<CaptionText>,
}

/// Text of an id, as the tables write it.
pub(crate) fn id_text(image_id: u128) -> String {
    format!("{image_id:032x}")
}

/// The places of some pictures; with `least`, without those that are cut off.
fn places(fuser: &Fuser, pictures: &[ScoredPicture], least: Option<f32>) -> Vec<HitPlace> {
    let nobody = Ranks::new();
    let fused = pictures.iter().map(|picture| fuser.fused(picture, &nobody));
    let stays = |fused: &FusedPicture| {
        least.is_none_or(|least| fused.is_relevant && fused.strength >= least)
    };
    fused.filter(stays).map(|fused| fused.place).collect()
}

impl SearchView {
    /// The best `limit` pictures of every signal, with the scores of all signals.
    ///
    /// # Errors
    /// Nothing can be read.
    pub(crate) async fn propose(
        &self,
        question: &Arc<Question>,
        limit: usize,
    ) -> Result<Proposal, Problem> {
        match self {
            Self::Memory(memory) => {
                let (snapshot, question) = (Arc::clone(&memory.snapshot), Arc::clone(question));
                memory.work(move || memory::search::propose(&snapshot, &question, limit)).await
            }
            Self::Tables(tables) => tables.propose(question, limit).await,
        }
    }

    /// The places of all further pictures that can be found, in their order. `None` if there are
    /// too many to be put in order. With `least`, those that are not relevant or count less are
    /// left out.
    ///
    /// # Errors
    /// Nothing can be read.
    pub(crate) async fn rest(
        &self,
        question: &Arc<Question>,
        proposed: &[ScoredPicture],
        fuser: &Fuser,
        least: Option<f32>,
    ) -> Result<Option<Vec<HitPlace>>, Problem> {
        match self {
            Self::Memory(memory) => {
                let (snapshot, question) = (Arc::clone(&memory.snapshot), Arc::clone(question));
                let proposed: Vec<u128> = proposed.iter().map(|picture| picture.image_id).collect();
                let fuser = fuser.clone();
                let rest = move || {
                    memory::search::rest(&snapshot, &question, &proposed, |pictures| {
                        places(&fuser, pictures, least)
                    })
                };
                let mut rest = memory.work(rest).await?;
                rest.sort_unstable();
                Ok(Some(rest))
            }
            Self::Tables(tables) => {
                let rest = tables.rest(question, proposed).await?;
                Ok(rest.map(|pictures| {
                    let mut rest = places(fuser, &pictures, least);
                    rest.sort_unstable();
                    rest
                }))
            }
        }
    }

    /// Pictures of [`rest`](Self::rest) with their scores, in no order.
    ///
    /// # Errors
    /// Nothing can be read.
    pub(crate) async fn scored(
        &self,
        question: &Arc<Question>,
        ids: &[u128],
    ) -> Result<Vec<ScoredPicture>, Problem> {
        match self {
            Self::Memory(memory) => {
                let (snapshot, question) = (Arc::clone(&memory.snapshot), Arc::clone(question));
                let slots: Vec<u32> = ids.iter().filter_map(|id| snapshot.slot(*id)).collect();
                memory.work(move || memory::search::scored(&snapshot, &question, &slots)).await
            }
            Self::Tables(tables) => {
                let mut all = tables.rest(question, &[]).await?.unwrap_or_default();
                all.retain(|picture| ids.contains(&picture.image_id));
                Ok(all)
            }
        }
    }

    /// How rare each term of the words is: its weight.
    ///
    /// # Errors
    /// Nothing can be read.
    pub(crate) async fn rarities(&self, terms: &[(String, String)]) -> Result<Vec<f32>, Problem> {
        match self {
            Self::Memory(memory) => Ok(memory.snapshot.rarities(terms)),
            Self::Tables(tables) => tables.rarities(terms).await,
        }
    }

    /// The vector of an indexed picture; `None` without one.
    ///
    /// # Errors
    /// Nothing can be read.
    pub(crate) async fn vector(&self, image_id: u128) -> Result<Option<Vec<f32>>, Problem> {
        match self {
            Self::Memory(memory) => memory.vector(image_id),
            Self::Tables(tables) => tables.vector(image_id).await,
        }
    }

    /// Whether there are vectors of pictures.
    pub(crate) fn has_pictures(&self) -> bool {
        match self {
            Self::Memory(memory) => memory.snapshot.image_vectors.is_some(),
            Self::Tables(tables) => tables.embeddings.is_some(),
        }
    }

    /// Whether there are vectors of captions, of the space that is searched.
    pub(crate) fn compares_captions(&self) -> bool {
        match self {
            Self::Memory(memory) => memory.snapshot.caption_vectors.is_some(),
            Self::Tables(tables) => tables.captions.is_some() && tables.compares_captions,
        }
    }

    /// A fixed random sample of about `wanted` vectors that a signal compares, and how many there
    /// are in all.
    ///
    /// # Errors
    /// Nothing can be read.
    pub(crate) async fn sample(
        &self,
        signal: Signal,
        wanted: usize,
    ) -> Result<Vec<Vec<f32>>, Problem> {
        match self {
            Self::Memory(memory) => memory.sample(signal, wanted),
            Self::Tables(tables) => tables.sample(signal, wanted).await,
        }
    }

    /// Number of vectors that a signal compares.
    ///
    /// # Errors
    /// Nothing can be read.
    pub(crate) async fn vectors(&self, signal: Signal) -> Result<usize, Problem> {
        match self {
            Self::Memory(memory) => Ok(memory.vectors(signal).map_or(0, Vectors::len)),
            Self::Tables(tables) => tables.vectors(signal).await,
        }
    }

    /// What is shown of these pictures, in their order. Those that are gone are left out.
    ///
    /// # Errors
    /// Nothing can be read.
    pub(crate) async fn shown(&self, ids: &[u128]) -> Result<Vec<(u128, ShownHit)>, Problem> {
        match self {
            Self::Memory(memory) => memory.shown(ids),
            Self::Tables(tables) => tables.shown(ids).await,
        }
    }

    /// The objects with the same bytes as each of these hits, which meet the filter; by id.
    ///
    /// # Errors
    /// Nothing can be read.
    pub(crate) async fn duplicates(
        &self,
        of: &[(u128, String)],
        filter: &Filter,
    ) -> Result<HashMap<u128, Duplicates>, Problem> {
        match self {
            Self::Memory(memory) => memory.duplicates(of, filter),
            Self::Tables(tables) => tables.duplicates(of, filter).await,
        }
    }
}
