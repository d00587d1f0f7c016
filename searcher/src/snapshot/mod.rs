//! The snapshot: what searches and pages of the library read. It holds one version of each table in
//! memory, derived from the tables alone, and never changes. A follower derives the next one in the
//! background. It may be thrown away at any time; while there is none, the tables answer, slower.

mod build;
mod caption_rows;
mod changes;
mod filter;
mod follow;
mod following;
mod local;
mod newest_tables;
mod record;
mod rows;
mod save;
mod settled;
mod slot;
mod upkeep;

use std::sync::{Arc, OnceLock};

use ::snapshot::bits::Bits;
use ::snapshot::ids::SlotById;
use ::snapshot::pictures::{DateOrder, Pictures};
use ::snapshot::records::{RecordError, RecordFile};
use ::snapshot::vectors::{VectorError, Vectors};
use ::snapshot::words::WordIndex;
use table::captions::CaptionText;
use table::schema::Facts;

pub(crate) use self::caption_rows::{CaptionRows, KeyOfSlot};
pub(crate) use self::follow::SnapshotFollower;
pub(crate) use self::local::LocalFolder;
pub(crate) use self::slot::SnapshotSlot;

/// The versions of the tables that a snapshot holds; 0 for a table that does not exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct TableVersions {
    pub(crate) embeddings: u64,
    pub(crate) captions: u64,
    pub(crate) images: u64,
}

/// One version of the tables, made to be searched. A picture is known by its slot.
#[derive(Debug)]
pub(crate) struct SearchSnapshot {
    pub(crate) versions: TableVersions,
    /// Rows of the tables of vectors, of captions and of pictures, spare rows included.
    pub(crate) rows: [usize; 3],
    pub(crate) pictures: Pictures,
    /// Vectors of pictures; `None` where no model answers or its table does not exist.
    pub(crate) image_vectors: Option<Vectors>,
    /// Vectors of the latest captions; `None` where there are no captions.
    pub(crate) caption_vectors: Option<Vectors>,
    /// The words of keys; a document is a slot.
    pub(crate) keys: WordIndex,
    /// The words of captions and keywords; a document is a row of `captions`.
    pub(crate) said: WordIndex,
    /// Normalised keywords as terms; a document is a row of `captions`.
    pub(crate) keywords: WordIndex,
    pub(crate) captions: CaptionRows,
    /// The newest version of each object that searches can find.
    pub(crate) shown: Arc<Bits>,
    /// The newest version of each object that the library lists.
    pub(crate) listed: Arc<Bits>,
    records: Arc<RecordFile>,
    ids: Arc<SlotById>,
    dates: OnceLock<Arc<DateOrder>>,
    // The order by date of a former snapshot and its pictures, from which the order of this one is
    // derived.
    former_dates: Option<(Arc<DateOrder>, Arc<Bits>)>,
}

impl SearchSnapshot {
    /// The slot of a picture, whatever its state is; `None` if it is unknown.
    pub(crate) fn slot(&self, image_id: u128) -> Option<u32> {
        self.ids.slot(image_id, &self.pictures)
    }

    /// Facts of a picture.
    ///
    /// # Errors
    /// The local file is damaged.
    pub(crate) fn facts(&self, slot: u32) -> Result<Facts, RecordError> {
        let place = self.pictures.record(slot).ok_or(RecordError::Damaged)?;
        record::read_facts(&self.records.read(place)?)
    }

    /// The latest caption of a picture; `None` if it has none.
    ///
    /// # Errors
    /// The local file is damaged.
    pub(crate) fn caption(&self, slot: u32) -> Result<Option<CaptionText>, RecordError> {
        match self.captions.record_of(slot) {
            Some(place) => record::read_caption(&self.records.read(place)?).map(Some),
            None => Ok(None),
        }
    }

    /// The pictures of the library by date.
    pub(crate) fn by_date(&self) -> &DateOrder {
        self.dates.get_or_init(|| {
            Arc::new(match &self.former_dates {
                Some((order, before)) => self.pictures.by_date_since(order, before, &self.listed),
                None => self.pictures.by_date(&self.listed),
            })
        })
    }

    /// The order by date and its pictures, if it is at hand, or else that of a former snapshot.
    fn known_dates(&self) -> Option<(Arc<DateOrder>, Arc<Bits>)> {
        let own = self.dates.get().map(|order| (Arc::clone(order), Arc::clone(&self.listed)));
        own.or_else(|| self.former_dates.clone())
    }

    /// The vector of a picture; `None` without one.
    ///
    /// # Errors
    /// The local file is damaged.
    pub(crate) fn vector(&self, slot: u32) -> Result<Option<Vec<f32>>, VectorError> {
        self.image_vectors.as_ref().map_or(Ok(None), |vectors| vectors.vector(slot))
    }

    /// Bytes of memory, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        let vectors = [&self.image_vectors, &self.caption_vectors].into_iter().flatten();
        let words = [&self.keys, &self.said, &self.keywords];
        self.pictures.memory_bytes()
            + vectors.map(Vectors::memory_bytes).sum::<usize>()
            + words.iter().map(|words| words.memory_bytes()).sum::<usize>()
            + self.captions.memory_bytes()
            + self.ids.memory_bytes()
            + self.dates.get().map_or(0, |order| order.memory_bytes())
    }
}
