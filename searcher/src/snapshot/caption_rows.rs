//! Captions: which picture each one is of, and which one of each picture is the latest. A caption
//! is known by its row: its number in the order in which captions became known.

use std::io::{self, Write};

use ::snapshot::column::Column;
use ::snapshot::saved::{DamagedSave, SavedBytes};
use ::snapshot::words::Numbering;

/// Stands for "none" in columns of rows.
const NONE: u32 = u32::MAX;

/// The captions of a snapshot. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct CaptionRows {
    slots: Column<u32>,
    written: Column<i64>,
    records: Column<u64>,
    has_keywords: Column<u8>,
    // The former caption of the same picture.
    former: Column<u32>,
    // Of each slot: its last known caption, and the one that counts.
    last: Column<u32>,
    current: Column<u32>,
}

/// A caption that becomes known.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewCaption {
    pub(super) slot: u32,
    /// When its row was written, in microseconds since 1970.
    pub(super) written: i64,
    /// Where its record lies.
    pub(super) record: u64,
    pub(super) has_keywords: bool,
}

fn some(row: Option<u32>) -> Option<u32> {
    row.filter(|row| *row != NONE)
}

impl CaptionRows {
    /// Number of captions, superseded ones included.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Adds a caption, which does not count yet; returns its row.
    pub(super) fn push(&mut self, caption: NewCaption) -> u32 {
        let row = self.len() as u32;
        let NewCaption { slot, written, record, has_keywords } = caption;
        self.slots.push(slot);
        self.written.push(written);
        self.records.push(record);
        self.has_keywords.push(u8::from(has_keywords));
        self.former.push(self.last.get(slot as usize).unwrap_or(NONE));
        self.last.set(slot as usize, row, NONE);
        row
    }

    /// All known captions of a picture, the last one first.
    pub(super) fn rows_of(&self, slot: u32) -> impl Iterator<Item = u32> {
        let last = some(self.last.get(slot as usize));
        std::iter::successors(last, |row| some(self.former.get(*row as usize)))
    }

    /// When the row of a caption was written.
    pub(super) fn written(&self, row: u32) -> i64 {
        self.written.get(row as usize).unwrap_or(i64::MIN)
    }

    /// Says which caption of a picture counts.
    pub(super) fn set_current(&mut self, slot: u32, row: Option<u32>) {
        if self.current(slot) != row {
            self.current.set(slot as usize, row.unwrap_or(NONE), NONE);
        }
    }

    /// The caption of a picture that counts.
    pub(crate) fn current(&self, slot: u32) -> Option<u32> {
        some(self.current.get(slot as usize))
    }

    /// Whether a caption counts.
    pub(super) fn is_current(&self, row: u32) -> bool {
        self.picture(row).is_some_and(|slot| self.current(slot) == Some(row))
    }

    /// The picture of a caption.
    pub(super) fn picture(&self, row: u32) -> Option<u32> {
        self.slots.get(row as usize)
    }

    /// Where the record of a picture's caption lies.
    pub(super) fn record_of(&self, slot: u32) -> Option<u64> {
        self.records.get(self.current(slot)? as usize)
    }

    /// Whether a picture's caption has keywords.
    pub(super) fn has_keywords(&self, slot: u32) -> bool {
        let row = self.current(slot);
        row.and_then(|row| self.has_keywords.get(row as usize)).is_some_and(|has| has == 1)
    }

    /// Bytes of memory, about.
    pub(super) fn memory_bytes(&self) -> usize {
        let rows = [&self.slots, &self.former, &self.last, &self.current];
        rows.iter().map(|column| column.memory_bytes()).sum::<usize>()
            + self.written.memory_bytes()
            + self.records.memory_bytes()
            + self.has_keywords.memory_bytes()
    }

    /// Writes all columns.
    pub(super) fn save(&self, out: &mut impl Write) -> io::Result<()> {
        for column in [&self.slots, &self.former, &self.last, &self.current] {
            column.save(out)?;
        }
        self.written.save(out)?;
        self.records.save(out)?;
        self.has_keywords.save(out)
    }

    /// Reads what [`save`](Self::save) wrote.
    pub(super) fn load(saved: &mut SavedBytes<'_>) -> Result<Self, DamagedSave> {
        let [slots, former, last, current] = [
            Column::load(saved)?,
            Column::load(saved)?,
            Column::load(saved)?,
            Column::load(saved)?,
        ];
        let (written, records) = (Column::load(saved)?, Column::load(saved)?);
        let has_keywords = Column::load(saved)?;
        let read = Self { slots, written, records, has_keywords, former, last, current };
        let rows = read.len();
        let is_whole = read.former.len() == rows
            && read.written.len() == rows
            && read.records.len() == rows
            && read.has_keywords.len() == rows
            // Former captions come before, so that no chain of them is endless.
            && (0..).zip(read.former.iter()).all(|(row, former)| former == NONE || former < row);
        if is_whole { Ok(read) } else { Err(DamagedSave) }
    }
}

impl Numbering for CaptionRows {
    fn slot_of(&self, document: u32) -> Option<u32> {
        self.picture(document).filter(|slot| self.current(*slot) == Some(document))
    }

    fn document_of(&self, slot: u32) -> Option<u32> {
        self.current(slot)
    }
}

/// Keys as documents: the key of a picture has the number of its slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyOfSlot;

impl Numbering for KeyOfSlot {
    fn slot_of(&self, document: u32) -> Option<u32> {
        Some(document)
    }

    fn document_of(&self, slot: u32) -> Option<u32> {
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caption_that_counts_is_the_one_that_was_named() {
        let mut captions = CaptionRows::default();
        let caption = |slot, written| NewCaption { slot, written, record: 7, has_keywords: true };
        let rows = [(5, 1), (2, 2), (5, 3)].map(|(slot, at)| captions.push(caption(slot, at)));
        assert_eq!((rows, captions.current(5)), ([0, 1, 2], None));
        assert_eq!(captions.rows_of(5).collect::<Vec<_>>(), [2, 0]);
        captions.set_current(5, Some(0));
        assert_eq!([0, 1, 2].map(|row| captions.slot_of(row)), [Some(5), None, None]);
        captions.set_current(5, Some(2));
        assert_eq!([0, 1, 2].map(|row| captions.slot_of(row)), [None, None, Some(5)]);
        assert!(captions.has_keywords(5) && !captions.has_keywords(2));
        let mut bytes = Vec::new();
        captions.save(&mut bytes).unwrap();
        let read = CaptionRows::load(&mut SavedBytes(&bytes)).unwrap();
        assert_eq!((read.current(5), read.len(), read.written(1)), (Some(2), 3, 2));
    }
}
