//! Saving a version and loading it, without the exact vectors.
//!
//! A header of eight numbers of 64 bits, then the columns one after the other, all in the byte
//! order of this processor. What is damaged is an error; a change that leaves everything in range
//! is not seen here, but by the caller's checksum.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bytemuck::Pod;

use crate::vectors::coder::Coder;
use crate::vectors::codes::Codes;
use crate::vectors::encode;
use crate::vectors::error::VectorError;
use crate::vectors::file::VectorFile;
use crate::vectors::lists::{Centroids, ListedRows, MAX_LISTS};
use crate::vectors::rotation::Rotation;
use crate::vectors::slots::Slots;
use crate::vectors::version::{BLOCK_ROWS, Parts, Vectors};

/// Names the layout. Another layout, rotation or grid has another.
const MAGIC: u64 = u64::from_le_bytes(*b"vectors1");

impl Vectors {
    /// Writes everything but the exact vectors. [`VectorFile::sync`] is to come before.
    ///
    /// # Errors
    /// `out` does not take it.
    pub fn save(&self, out: &mut impl Write) -> io::Result<()> {
        let parts = self.parts();
        let centroids = &parts.coder.centroids;
        let listed = parts.listed.codes.len();
        put(
            out,
            &[
                MAGIC,
                self.dim() as u64,
                listed as u64,
                parts.unlisted() as u64,
                centroids.len() as u64,
                u64::from(centroids.trained_rows),
                u64::from(parts.file_rows),
                parts.slots.end(),
            ],
        )?;
        put(out, centroids.values())?;
        for (first, codes) in parts.all_codes() {
            put(out, &codes.codes)?;
            put(out, &codes.factors)?;
            put(out, &codes.slots)?;
            put(out, &codes.rows)?;
            put(out, &codes.lists)?;
            put(out, &[codes.error, codes.noise])?;
            let rows = codes.slots.chunks(64).enumerate();
            let alive = rows.map(|(word, slots)| {
                let alive = |(bit, slot): (usize, &u32)| {
                    u64::from(parts.is_alive(*slot, first + 64 * word + bit)) << bit
                };
                slots.iter().enumerate().map(alive).sum()
            });
            put(out, &alive.collect::<Vec<u64>>())?;
        }
        Ok(())
    }

    /// Reads what [`save`](Self::save) wrote, for the same file opened with at least
    /// [`file_rows`](Self::file_rows) rows.
    ///
    /// # Errors
    /// It cannot be read, is damaged, or belongs to another file.
    pub fn load(mut saved: impl Read, file: Arc<VectorFile>) -> Result<Self, VectorError> {
        let saved = &mut saved;
        let header = take::<u64>(saved, 8)?;
        let [magic, dim, listed, unlisted, lists, trained, file_rows, slots_end] = header[..]
        else {
            return Err(VectorError::Unusable("header"));
        };
        if magic != MAGIC || dim != file.dim() as u64 {
            return Err(VectorError::Unusable("another layout or dimension"));
        }
        // All that is allocated is bounded by these: a row of the file takes more than its code.
        let most = u64::from(file.rows());
        let rows = listed.checked_add(unlisted).filter(|rows| *rows <= most);
        let fits = file_rows <= most && rows.is_some_and(|rows| rows <= file_rows);
        let has_lists = (1..=MAX_LISTS as u64).contains(&lists) && lists <= trained.max(1);
        if !fits || !has_lists || trained > u64::from(u32::MAX) {
            return Err(VectorError::Unusable("counts"));
        }
        let rotation = Rotation::new(file.dim());
        let padded = rotation.padded();
        let values = numbers(saved, lists as usize * padded)?;
        let centroids = Centroids::new(padded, values, trained as u32);
        let mut loading = Loading {
            width: encode::width(padded),
            lists: lists as usize,
            file_rows: file_rows as u32,
            slots_end,
            slots: Slots::default(),
            next: 0,
        };
        let codes = loading.codes(saved, listed as usize)?;
        if !codes.lists.is_sorted() {
            return Err(VectorError::Unusable("order of lists"));
        }
        let mut blocks = Vec::new();
        let mut left = unlisted as usize;
        while left > 0 {
            let rows = left.min(BLOCK_ROWS);
            blocks.push(Arc::new(loading.codes(saved, rows)?));
            left -= rows;
        }
        Ok(Self::of(Parts {
            file,
            coder: Arc::new(Coder { rotation, centroids }),
            listed: Arc::new(ListedRows::new(codes, lists as usize)),
            blocks,
            slots: loading.slots,
            file_rows: file_rows as u32,
        }))
    }
}

/// What is known of all rows while they are read.
struct Loading {
    width: usize,
    lists: usize,
    file_rows: u32,
    slots_end: u64,
    slots: Slots,
    next: u32,
}

impl Loading {
    fn codes(&mut self, saved: &mut impl Read, rows: usize) -> Result<Codes, VectorError> {
        let mut codes = Codes {
            codes: take(saved, rows * self.width)?,
            factors: numbers(saved, rows)?,
            slots: take(saved, rows)?,
            rows: take(saved, rows)?,
            lists: take(saved, rows)?,
            ..Codes::default()
        };
        if let [error, noise] = numbers(saved, 2)?[..] {
            (codes.error, codes.noise) = (error, noise);
        }
        let in_range = codes.rows.iter().all(|row| *row < self.file_rows)
            && codes.slots.iter().all(|slot| u64::from(*slot) < self.slots_end)
            && codes.lists.iter().all(|list| usize::from(*list) < self.lists);
        if !in_range {
            return Err(VectorError::Unusable("slot, row or list out of range"));
        }
        let alive = take::<u64>(saved, rows.div_ceil(64))?;
        for (slots, alive) in codes.slots.chunks(64).zip(alive) {
            for (bit, slot) in slots.iter().enumerate() {
                let is_alive = alive >> bit & 1 == 1;
                if is_alive && self.slots.set(*slot, self.next).is_some() {
                    return Err(VectorError::Unusable("slot with two vectors"));
                }
                self.next += 1;
            }
        }
        Ok(codes)
    }
}

fn put<T: Pod>(out: &mut impl Write, column: &[T]) -> io::Result<()> {
    out.write_all(bytemuck::cast_slice(column))
}

/// Reads a column. It is allocated at once, so the caller bounds its length.
fn take<T: Pod>(saved: &mut impl Read, len: usize) -> Result<Vec<T>, VectorError> {
    let mut column = vec![T::zeroed(); len];
    saved.read_exact(bytemuck::cast_slice_mut(&mut column)).map_err(VectorError::Read)?;
    Ok(column)
}

/// Reads a column of numbers that are all finite.
fn numbers(saved: &mut impl Read, len: usize) -> Result<Vec<f32>, VectorError> {
    let column = take::<f32>(saved, len)?;
    let is_finite = column.iter().all(|number| number.is_finite());
    is_finite.then_some(column).ok_or(VectorError::Unusable("a number that is not finite"))
}
