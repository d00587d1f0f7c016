//! What is known about each picture, in columns. A picture is known by its slot: its number in the
//! order in which pictures became known.

mod chunk;
pub mod select;
mod timeline;

use std::io::{self, Write};
use std::sync::Arc;

use self::chunk::{CHUNK, Chunk, NO_MOMENT};
pub use self::chunk::{PictureEntry, text_hash};
pub use self::timeline::DateOrder;
use crate::saved::{DamagedSave, SavedBytes, put_number, put_values};

/// All pictures of a snapshot. Cheap to clone. A former value stays as it is when pictures are
/// added.
#[derive(Debug, Clone, Default)]
pub struct Pictures {
    chunks: Vec<Arc<Chunk>>,
    formats: Arc<Vec<String>>,
}

impl Pictures {
    /// These pictures and, after them, further ones.
    #[must_use]
    pub fn with(&self, more: &[PictureEntry]) -> Self {
        let mut grown = self.clone();
        for picture in more {
            let format = grown.format(&picture.format);
            if grown.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
                grown.chunks.push(Arc::default());
            }
            if let Some(last) = grown.chunks.last_mut() {
                Arc::make_mut(last).push(picture, format);
            }
        }
        grown
    }

    /// The place of a format in the list of formats, which it joins if it is new.
    fn format(&mut self, format: &str) -> u16 {
        let known = self.formats.iter().position(|known| known == format);
        let place = known.unwrap_or_else(|| {
            Arc::make_mut(&mut self.formats).push(format.to_owned());
            self.formats.len() - 1
        });
        // There are a dozen formats; further ones than fit are all the last one.
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    /// Number of pictures: one more than the greatest slot.
    pub fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    fn value<T: Copy>(&self, slot: u32, column: impl Fn(&Chunk) -> &Vec<T>) -> Option<T> {
        let chunk = self.chunks.get(slot as usize / CHUNK)?;
        column(chunk).get(slot as usize % CHUNK).copied()
    }

    /// The identity of a picture; `None` beyond the last slot.
    pub fn id(&self, slot: u32) -> Option<u128> {
        self.value(slot, |chunk| &chunk.ids)
    }

    /// The hash of a picture's bucket and key.
    pub fn object(&self, slot: u32) -> Option<u64> {
        self.value(slot, |chunk| &chunk.objects)
    }

    /// The hash of a picture's bytes.
    pub fn content(&self, slot: u32) -> Option<u64> {
        self.value(slot, |chunk| &chunk.contents)
    }

    /// Where the record of a picture lies.
    pub fn record(&self, slot: u32) -> Option<u64> {
        self.value(slot, |chunk| &chunk.records)
    }

    /// When a picture was taken, in microseconds since 1970; `None` if that is unknown.
    pub fn taken(&self, slot: u32) -> Option<i64> {
        self.value(slot, |chunk| &chunk.taken).filter(|at| *at != NO_MOMENT)
    }

    /// When the object was written last, in microseconds since 1970; `None` if that is unknown.
    pub fn modified(&self, slot: u32) -> Option<i64> {
        self.value(slot, |chunk| &chunk.modified).filter(|at| *at != NO_MOMENT)
    }

    /// When the row of a picture was written.
    pub fn written(&self, slot: u32) -> Option<i64> {
        self.value(slot, |chunk| &chunk.written)
    }

    /// The key of a picture.
    pub fn key(&self, slot: u32) -> Option<&str> {
        let chunk = self.chunks.get(slot as usize / CHUNK)?;
        let place = slot as usize % CHUNK;
        if place < chunk.len() { std::str::from_utf8(chunk.key(place)).ok() } else { None }
    }

    /// Bytes of memory, about.
    pub fn memory_bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.memory_bytes()).sum()
    }

    /// Writes all columns.
    ///
    /// # Errors
    /// The writer's own.
    pub fn save(&self, out: &mut impl Write) -> io::Result<()> {
        put_values(out, self.formats.join("\n").as_bytes())?;
        put_number(out, self.chunks.len() as u64)?;
        self.chunks.iter().try_for_each(|chunk| chunk.save(out))
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// The bytes are something else.
    pub fn load(saved: &mut SavedBytes<'_>) -> Result<Self, DamagedSave> {
        let formats = String::from_utf8(saved.values()?).map_err(|_| DamagedSave)?;
        let formats: Vec<String> =
            formats.split('\n').filter(|format| !format.is_empty()).map(str::to_owned).collect();
        let mut chunks = Vec::new();
        for _ in 0..saved.number()? {
            chunks.push(Arc::new(Chunk::load(saved)?));
        }
        let full = chunks.len().saturating_sub(1);
        if chunks.iter().take(full).any(|chunk| chunk.len() != CHUNK) {
            return Err(DamagedSave);
        }
        Ok(Self { chunks, formats: Arc::new(formats) })
    }
}

#[cfg(test)]
mod tests;
