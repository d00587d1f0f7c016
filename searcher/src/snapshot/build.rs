//! What the next snapshot is derived from: everything that the snapshot shares, and what only the
//! follower needs. One thread works on it.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use ::snapshot::bits::Bits;
use ::snapshot::ids::{SlotById, SlotsByObject};
use ::snapshot::pictures::Pictures;
use ::snapshot::records::{RecordError, RecordFile};
use ::snapshot::vectors::{VectorError, Vectors};
use ::snapshot::words::WordIndex;
use table::TableError;

use super::caption_rows::CaptionRows;
use super::{SearchSnapshot, TableVersions};

/// Why a snapshot cannot be derived.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Vector(#[from] VectorError),
    /// It must be thrown away and made anew.
    #[error("the snapshot does not fit the tables any more: {0}")]
    Misfit(&'static str),
    /// Tables that need more memory than they may have.
    #[error(
        "the snapshot needs {needed} MiB of memory and may have {allowed}: raise search.memory, or \
         searches read the tables and are slow"
    )]
    TooLarge { needed: usize, allowed: usize },
}

impl FollowError {
    /// Refuses more than `allowed` bytes of memory.
    pub(super) fn if_too_large(needed: u64, allowed: u64) -> Result<(), Self> {
        let mebibytes = |bytes: u64| (bytes >> 20) as usize;
        match needed > allowed {
            true => Err(Self::TooLarge { needed: mebibytes(needed), allowed: mebibytes(allowed) }),
            false => Ok(()),
        }
    }

    /// Whether the snapshot must be thrown away.
    pub(super) fn is_fatal(&self) -> bool {
        !matches!(self, Self::Table(_))
    }
}

/// Which table rows are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableRole {
    Embeddings,
    Captions,
    Images,
}

/// How many rows of each picture or caption a table has. One that was written twice has two.
#[derive(Debug, Default, Clone)]
pub(super) struct RowTally(pub(super) Vec<u8>);

impl RowTally {
    pub(super) fn has(&self, number: u32) -> bool {
        self.0.get(number as usize).is_some_and(|count| *count > 0)
    }

    pub(super) fn add(&mut self, number: u32) {
        let place = number as usize;
        if place >= self.0.len() {
            self.0.resize(place + 1, 0);
        }
        if let Some(count) = self.0.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn remove(&mut self, number: u32) {
        if let Some(count) = self.0.get_mut(number as usize) {
            *count = count.saturating_sub(1);
        }
    }
}

/// The snapshot under construction.
#[derive(Debug)]
pub(super) struct SnapshotBuild {
    pub(super) pictures: Pictures,
    pub(super) ids: Arc<SlotById>,
    pub(super) objects: SlotsByObject,
    pub(super) image_vectors: Option<Vectors>,
    pub(super) caption_vectors: Option<Vectors>,
    pub(super) keys: WordIndex,
    pub(super) said: WordIndex,
    pub(super) keywords: WordIndex,
    pub(super) captions: CaptionRows,
    pub(super) records: Arc<RecordFile>,
    pub(super) shown: Arc<Bits>,
    pub(super) listed: Arc<Bits>,
    /// Rows in the table of vectors by slot, of captions by caption, and of pictures by slot.
    pub(super) embedded: RowTally,
    pub(super) captioned: RowTally,
    pub(super) imaged: RowTally,
    /// Pictures of which rows came or went since the last snapshot.
    pub(super) touched: HashSet<u32>,
    /// Vectors of captions that came since they were settled last, by caption.
    pub(super) caption_vectors_read: Vec<(u32, Vec<f32>)>,
    /// Captions that count and whose vectors are not at hand.
    pub(super) lacking: HashSet<u32>,
}

impl SnapshotBuild {
    /// Nothing yet.
    pub(super) fn new(
        records: Arc<RecordFile>,
        image_vectors: Option<Vectors>,
        caption_vectors: Option<Vectors>,
    ) -> Self {
        Self {
            pictures: Pictures::default(),
            ids: Arc::default(),
            objects: SlotsByObject::default(),
            image_vectors,
            caption_vectors,
            keys: WordIndex::default(),
            said: WordIndex::default(),
            keywords: WordIndex::default(),
            captions: CaptionRows::default(),
            records,
            shown: Arc::default(),
            listed: Arc::default(),
            embedded: RowTally::default(),
            captioned: RowTally::default(),
            imaged: RowTally::default(),
            touched: HashSet::new(),
            caption_vectors_read: Vec::new(),
            lacking: HashSet::new(),
        }
    }

    /// Whether a row of a table is at hand with all that is needed of it.
    pub(super) fn is_known(&self, role: TableRole, image_id: u128, written: i64) -> Option<u32> {
        let slot = self.ids.slot(image_id, &self.pictures)?;
        match role {
            TableRole::Images => Some(slot),
            TableRole::Embeddings => self.embedded.has(slot).then_some(slot),
            TableRole::Captions => self
                .captions
                .rows_of(slot)
                .find(|row| self.captions.written(*row) == written && self.captioned.has(*row)),
        }
    }

    /// The counts of a table.
    pub(super) fn counts(&mut self, role: TableRole) -> &mut RowTally {
        match role {
            TableRole::Embeddings => &mut self.embedded,
            TableRole::Captions => &mut self.captioned,
            TableRole::Images => &mut self.imaged,
        }
    }

    /// The snapshot of these versions. Costs little, because it shares nearly everything.
    pub(super) fn snapshot(
        &self,
        versions: TableVersions,
        rows: [usize; 3],
        former: Option<&SearchSnapshot>,
    ) -> SearchSnapshot {
        SearchSnapshot {
            versions,
            rows,
            pictures: self.pictures.clone(),
            image_vectors: self.image_vectors.clone(),
            caption_vectors: self.caption_vectors.clone(),
            keys: self.keys.clone(),
            said: self.said.clone(),
            keywords: self.keywords.clone(),
            captions: self.captions.clone(),
            shown: Arc::clone(&self.shown),
            listed: Arc::clone(&self.listed),
            records: Arc::clone(&self.records),
            ids: Arc::clone(&self.ids),
            dates: OnceLock::new(),
            former_dates: former.and_then(SearchSnapshot::known_dates),
        }
    }
}
