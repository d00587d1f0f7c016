//! An index as bytes.
//!
//! ```text
//! magic, end (u64), number of segments (u32)
//! for each segment: number of documents (u32), kind of numbers (u8), its numbers
//!     (the first one, or all) and lengths, length of the dictionary (u64), dictionary,
//!     length of the postings (u64), postings
//! XXH3 of all this (u64)
//! ```
//!
//! Numbers are little endian. The sum is there because the dictionary's library trusts its bytes.

use std::io::{self, Write};
use std::sync::Arc;

use fst::Map;
use thiserror::Error;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::index::WordIndex;
use super::numbers::Numbers;
use super::segment::Segment;

const MAGIC: &[u8; 8] = b"blwords1";
const RUN: u8 = 0;
const LISTED: u8 = 1;

/// A stored index cannot be read. It is derived from the tables: make it again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the stored index of words is damaged ({0}): make it again from the tables")]
pub struct DamagedWords(&'static str);

impl WordIndex {
    /// Writes the index in a form for [`load`](Self::load).
    ///
    /// # Errors
    /// `out` takes no more bytes.
    pub fn save(&self, out: &mut impl Write) -> io::Result<()> {
        let mut out = Summed { out, sum: Xxh3Default::new() };
        out.write_all(MAGIC)?;
        out.write_all(&self.end.to_le_bytes())?;
        out.write_all(&(self.segments.len() as u32).to_le_bytes())?;
        for segment in &self.segments {
            save_segment(segment, &mut out)?;
        }
        let sum = out.sum.digest();
        out.out.write_all(&sum.to_le_bytes())
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// The bytes are incomplete, changed or of another form.
    pub fn load(bytes: &[u8]) -> Result<Self, DamagedWords> {
        let (bytes, sum) =
            bytes.split_last_chunk().ok_or(DamagedWords("it is shorter than its sum"))?;
        if xxh3_64(bytes) != u64::from_le_bytes(*sum) {
            return Err(DamagedWords("its sum is another one"));
        }
        let mut rest = Stored(bytes);
        if rest.chunk::<8>()? != MAGIC {
            return Err(DamagedWords("it has another form"));
        }
        let end = u64::from_le_bytes(*rest.chunk()?);
        let count = u32::from_le_bytes(*rest.chunk()?);
        let mut segments: Vec<Arc<Segment>> = Vec::new();
        for _ in 0..count {
            let segment = load_segment(&mut rest)?;
            let former = segments.last().and_then(|former| former.numbers.last());
            if former >= segment.numbers.first() {
                return Err(DamagedWords("its documents do not ascend"));
            }
            segments.push(Arc::new(segment));
        }
        let last = segments.last().and_then(|last| last.numbers.last());
        if !rest.0.is_empty() || last.is_some_and(|last| u64::from(last) >= end) {
            return Err(DamagedWords("its end is another one"));
        }
        Ok(Self { segments, end })
    }
}

fn save_segment(segment: &Segment, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&(segment.len() as u32).to_le_bytes())?;
    match &segment.numbers {
        Numbers::Run { first, .. } => {
            out.write_all(&[RUN])?;
            out.write_all(&first.to_le_bytes())?;
        }
        Numbers::Listed(numbers) => {
            out.write_all(&[LISTED])?;
            let bytes: Vec<_> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            out.write_all(&bytes)?;
        }
    }
    let lengths: Vec<_> = segment.lengths.iter().flat_map(|length| length.to_le_bytes()).collect();
    out.write_all(&lengths)?;
    for bytes in [segment.dictionary.as_fst().as_bytes(), &segment.postings] {
        out.write_all(&(bytes.len() as u64).to_le_bytes())?;
        out.write_all(bytes)?;
    }
    Ok(())
}

fn load_segment(rest: &mut Stored<'_>) -> Result<Segment, DamagedWords> {
    let len = u32::from_le_bytes(*rest.chunk()?);
    let numbers = match rest.chunk()? {
        [RUN] => Numbers::Run { first: u32::from_le_bytes(*rest.chunk()?), len },
        [LISTED] => {
            let bytes = rest.take(u64::from(len) * 4)?.as_chunks().0;
            let numbers: Vec<_> = bytes.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
            if !numbers.is_sorted_by(|one, other| one < other) {
                return Err(DamagedWords("its documents do not ascend"));
            }
            Numbers::Listed(numbers)
        }
        _ => return Err(DamagedWords("its documents have no known form")),
    };
    if numbers.first().is_none() || numbers.last().is_none() {
        return Err(DamagedWords("a segment has no documents"));
    }
    let lengths = rest.take(u64::from(len) * 2)?.as_chunks().0;
    let lengths = lengths.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect();
    let dictionary = Map::new(rest.sized()?.to_vec())
        .map_err(|_| DamagedWords("a dictionary has another form"))?;
    Ok(Segment { numbers, lengths, dictionary, postings: rest.sized()?.to_vec() })
}

/// What is still to be read.
struct Stored<'a>(&'a [u8]);

impl<'a> Stored<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], DamagedWords> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let taken = self.0.split_off(..length);
        taken.ok_or(DamagedWords("it ends early"))
    }

    fn chunk<const N: usize>(&mut self) -> Result<&'a [u8; N], DamagedWords> {
        let (chunk, rest) = self.0.split_first_chunk().ok_or(DamagedWords("it ends early"))?;
        self.0 = rest;
        Ok(chunk)
    }

    /// Bytes after their length.
    fn sized(&mut self) -> Result<&'a [u8], DamagedWords> {
        let length = u64::from_le_bytes(*self.chunk()?);
        self.take(length)
    }
}

/// Keeps the sum of what is written.
struct Summed<'a, W> {
    out: &'a mut W,
    sum: Xxh3Default,
}

impl<W: Write> Write for Summed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sum.update(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
