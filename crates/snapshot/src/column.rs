//! A long column of small values, of which a newer copy shares what did not change.

use std::io::{self, Write};
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

use crate::saved::{DamagedSave, SavedBytes, put_number, put_values};

/// Values of a full piece. A change copies at most the piece that it is in.
const PIECE: usize = 16_384;

/// The column.
#[derive(Debug, Clone)]
pub struct Column<T> {
    pieces: Vec<Arc<Vec<T>>>,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<T: Copy> Column<T> {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * PIECE + last.len())
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The value at a place; `None` beyond the end.
    pub fn get(&self, place: usize) -> Option<T> {
        self.pieces.get(place / PIECE)?.get(place % PIECE).copied()
    }

    /// Adds a value.
    pub fn push(&mut self, value: T) {
        if self.pieces.last().is_none_or(|last| last.len() == PIECE) {
            self.pieces.push(Arc::default());
        }
        if let Some(last) = self.pieces.last_mut() {
            Arc::make_mut(last).push(value);
        }
    }

    /// Changes the value at a place. The column grows to it with `filler`.
    pub fn set(&mut self, place: usize, value: T, filler: T) {
        while self.len() <= place {
            self.push(filler);
        }
        let piece = self.pieces.get_mut(place / PIECE);
        if let Some(slot) = piece.and_then(|piece| Arc::make_mut(piece).get_mut(place % PIECE)) {
            *slot = value;
        }
    }

    /// All values in order.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        self.pieces.iter().flat_map(|piece| piece.iter().copied())
    }

    /// Bytes of memory.
    pub fn memory_bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.capacity() * size_of::<T>()).sum()
    }
}

impl<T: Pod + Zeroable> Column<T> {
    /// Writes all values.
    ///
    /// # Errors
    /// The writer's own.
    pub fn save(&self, out: &mut impl Write) -> io::Result<()> {
        put_number(out, self.pieces.len() as u64)?;
        self.pieces.iter().try_for_each(|piece| put_values(out, piece))
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// The bytes are something else.
    pub fn load(saved: &mut SavedBytes<'_>) -> Result<Self, DamagedSave> {
        let mut pieces = Vec::new();
        let count = saved.number()?;
        for number in 1..=count {
            let piece: Vec<T> = saved.values()?;
            if piece.is_empty() || piece.len() > PIECE || (number < count && piece.len() < PIECE) {
                return Err(DamagedSave);
            }
            pieces.push(Arc::new(piece));
        }
        Ok(Self { pieces })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_leaves_former_copies_as_they_were() {
        let mut column = Column::default();
        (0..40_000_u32).for_each(|value| column.push(value));
        let former = column.clone();
        column.set(20_000, 7, 0);
        column.set(50_000, 9, 1);
        assert_eq!((former.get(20_000), former.len()), (Some(20_000), 40_000));
        assert_eq!(
            (column.get(20_000), column.get(45_000), column.get(50_000)),
            (Some(7), Some(1), Some(9))
        );
        assert_eq!((column.len(), column.get(50_001)), (50_001, None));
        let mut bytes = Vec::new();
        column.save(&mut bytes).unwrap();
        let read = Column::<u32>::load(&mut SavedBytes(&bytes)).unwrap();
        assert!(read.iter().eq(column.iter()));
        assert!(Column::<u32>::load(&mut SavedBytes(&bytes[..bytes.len() - 1])).is_err());
    }
}
