//! One version of a table's vectors, and how the next is derived from it.

use std::sync::Arc;

use crate::vectors::coder::Coder;
use crate::vectors::codes::{CodedRow, Codes};
use crate::vectors::encode;
use crate::vectors::error::VectorError;
use crate::vectors::file::VectorFile;
use crate::vectors::lists::ListedRows;
use crate::vectors::products::dot;
use crate::vectors::slots::Slots;

/// Rows of a block of unlisted rows. Only the last block is copied when rows are added.
pub(super) const BLOCK_ROWS: usize = 2048;

/// Every search compares all unlisted rows: up to so many cost less than the lists do.
const UNLISTED_ROWS: usize = 16 * 1024;

/// The vectors of one table at one moment. A clone is cheap, and shares everything.
///
/// Each slot has at most one vector. A version never changes: [`with`](Self::with),
/// [`without`](Self::without) and [`adopt_lists`](Self::adopt_lists) derive the next one, which
/// shares what it has in common, while any number of threads search both. Versions of one file form
/// a line: derive only from the newest.
#[derive(Clone, Debug)]
pub struct Vectors {
    parts: Arc<Parts>,
}

/// Position `p` is row `p` of `listed`, or row `p - listed.len()` of the blocks. A row is alive if
/// its slot's position is its own.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) file: Arc<VectorFile>,
    pub(super) coder: Arc<Coder>,
    pub(super) listed: Arc<ListedRows>,
    /// All full but the last.
    pub(super) blocks: Vec<Arc<Codes>>,
    pub(super) slots: Slots,
    /// Rows of the file from here on are of no version up to this one.
    pub(super) file_rows: u32,
}

impl Vectors {
    /// No vectors yet. Those to come are appended to `file`.
    pub fn empty(file: Arc<VectorFile>) -> Self {
        let coder = Coder::untrained(file.dim());
        let listed = ListedRows::new(Codes::default(), coder.centroids.len());
        Self::of(Parts {
            file_rows: file.rows(),
            file,
            coder: Arc::new(coder),
            listed: Arc::new(listed),
            blocks: Vec::new(),
            slots: Slots::default(),
        })
    }

    pub(super) fn of(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// These vectors as well, each for a slot. A slot's former vector is replaced; of several
    /// vectors for one slot the last counts. Costs what the rows cost, whatever is there already.
    ///
    /// # Errors
    /// A vector has another dimension or a number that is not finite, or the file cannot be
    /// written.
    pub fn with<V>(&self, rows: &[(u32, V)]) -> Result<Self, VectorError>
    where
        V: AsRef<[f32]> + Sync,
    {
        let mut parts = Parts::clone(&self.parts);
        let dim = parts.file.dim();
        for (slot, vector) in rows {
            check(vector.as_ref(), dim, *slot)?;
        }
        for block in rows.chunks(BLOCK_ROWS) {
            let numbers: Vec<f32> =
                block.iter().flat_map(|(_, vector)| vector.as_ref()).copied().collect();
            let first = parts.file.append(&numbers).map_err(VectorError::Write)?;
            parts.add(&numbers, block.iter().map(|(slot, _)| *slot).zip(first..));
            parts.file_rows = first + block.len() as u32;
        }
        Ok(Self::of(parts))
    }

    /// Without the vectors of these slots. Slots without a vector are passed over.
    pub fn without(&self, slots: &[u32]) -> Self {
        let mut parts = Parts::clone(&self.parts);
        for slot in slots {
            parts.slots.remove(*slot);
        }
        Self::of(parts)
    }

    /// Whether a slot has a vector.
    pub fn has(&self, slot: u32) -> bool {
        self.parts.slots.position(slot).is_some()
    }

    /// How many slots have a vector.
    pub fn len(&self) -> usize {
        self.parts.slots.len()
    }

    /// Whether no slot has a vector.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers of a vector.
    pub fn dim(&self) -> usize {
        self.parts.file.dim()
    }

    /// Where the exact vectors are.
    pub fn file(&self) -> &Arc<VectorFile> {
        &self.parts.file
    }

    /// Rows of the file that this version knows: what [`VectorFile::open`] is to be told when a
    /// saved version is loaded.
    pub fn file_rows(&self) -> u32 {
        self.parts.file_rows
    }

    /// How many rows no list covers. A search compares all of them.
    pub fn unlisted(&self) -> usize {
        self.parts.unlisted()
    }

    /// Whether [`listed`](Self::listed) is worth its work: a bounded number of rows is in no list,
    /// or a third of the rows are dead.
    pub fn should_list(&self) -> bool {
        let dead = self.parts.len() - self.len();
        self.unlisted() > UNLISTED_ROWS || dead > UNLISTED_ROWS && 2 * dead > self.len()
    }

    /// Bytes of memory that this version keeps. Versions share most of it.
    pub fn memory_bytes(&self) -> usize {
        let blocks: usize = self.parts.blocks.iter().map(|block| block.memory_bytes()).sum();
        blocks
            + self.parts.listed.memory_bytes()
            + self.parts.slots.memory_bytes()
            + self.parts.coder.memory_bytes()
    }
}

impl Parts {
    /// Codes vectors that are in the file, appends their rows and lets their slots have them.
    pub(super) fn add(&mut self, vectors: &[f32], rows: impl Iterator<Item = (u32, u32)>) {
        let width = encode::width(self.coder.padded());
        let coded = self.coder.encode(vectors);
        let codes = coded.codes.chunks_exact(width).zip(&coded.factors).zip(&coded.lists);
        for (((code, factor), list), (slot, row)) in codes.zip(rows) {
            if self.blocks.last().is_none_or(|block| block.len() >= BLOCK_ROWS) {
                self.blocks.push(Arc::new(Codes::default()));
            }
            let position = self.len() as u32;
            if let Some(block) = self.blocks.last_mut() {
                let row = CodedRow { code, factor: *factor, slot, row, list: *list };
                Arc::make_mut(block).push(row);
                self.slots.set(slot, position);
            }
        }
    }

    /// Rows, dead ones included.
    pub(super) fn len(&self) -> usize {
        self.listed.codes.len() + self.unlisted()
    }

    pub(super) fn unlisted(&self) -> usize {
        let last = self.blocks.last().map_or(0, |block| block.len());
        self.blocks.len().saturating_sub(1) * BLOCK_ROWS + last
    }

    /// Where the exact vector of a slot is.
    pub(super) fn file_row(&self, slot: u32) -> Option<u32> {
        let position = self.slots.position(slot)? as usize;
        match position.checked_sub(self.listed.codes.len()) {
            None => self.listed.codes.rows.get(position).copied(),
            Some(rest) => self.blocks.get(rest / BLOCK_ROWS)?.rows.get(rest % BLOCK_ROWS).copied(),
        }
    }

    /// Whether a slot's vector is the one at this position.
    #[inline]
    pub(super) fn is_alive(&self, slot: u32, position: usize) -> bool {
        self.slots.position(slot) == Some(position as u32)
    }

    /// All codes with the position of their first row.
    pub(super) fn all_codes(&self) -> impl Iterator<Item = (usize, &Codes)> {
        let listed = self.listed.codes.len();
        let blocks = self.blocks.iter().map(|block| block.as_ref());
        let starts = (0..).map(move |index| listed + index * BLOCK_ROWS);
        std::iter::once((0, &self.listed.codes)).chain(starts.zip(blocks))
    }
}

/// # Errors
/// The vector has another dimension, or no finite length.
pub(super) fn check(vector: &[f32], wanted: usize, slot: u32) -> Result<(), VectorError> {
    if vector.len() != wanted {
        return Err(VectorError::Dimension { wanted, found: vector.len() });
    }
    if !dot(vector, vector).is_finite() {
        return Err(VectorError::NotFinite { slot });
    }
    Ok(())
}
