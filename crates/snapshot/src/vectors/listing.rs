//! Bringing rows into lists, beside the searches.

use std::sync::{Arc, Mutex, PoisonError};

use crate::vectors::coder::{Coder, TOGETHER, on_all_processors};
use crate::vectors::codes::Codes;
use crate::vectors::encode::{self, Factor};
use crate::vectors::error::VectorError;
use crate::vectors::file::{Damaged, VectorFile};
use crate::vectors::lists::ListedRows;
use crate::vectors::rotation::Rotation;
use crate::vectors::slots::Slots;
use crate::vectors::train::{lists_for, sample_rows, train};
use crate::vectors::version::{Parts, Vectors};

/// Fewer rows are in one list: to compare them all costs less than to choose.
const LEAST_ROWS: usize = 20_000;

/// Centroids are trained anew when there are so many times the rows, or so many times fewer.
const GROWTH: usize = 4;
const DECLINE: usize = 16;

impl Vectors {
    /// All vectors in lists, without what is dead. Work for a thread in the background: usually
    /// codes are copied (0.2 s for a million rows); when the rows have grown fourfold, centroids
    /// are trained and everything is read and coded anew.
    ///
    /// What came meanwhile is in a version derived from `self`, not from the result:
    /// [`adopt_lists`](Self::adopt_lists) brings both together.
    ///
    /// # Errors
    /// A vector cannot be read back.
    pub fn listed(&self) -> Result<Self, VectorError> {
        let trained = self.parts().coder.centroids.trained_rows as usize;
        let rows = self.len();
        let other = rows >= GROWTH * trained || rows < trained / DECLINE;
        if rows >= LEAST_ROWS && other { self.trained() } else { Ok(self.merged()) }
    }

    /// This version with the lists of `listed`, which was made of an earlier version:
    ///
    /// ```text
    /// let listed = current.load().listed()?;          // seconds, while others derive versions
    /// let _lock = writer.lock();                      // the one who derives versions
    /// current.store(current.load().adopt_lists(&listed)?);
    /// ```
    ///
    /// Costs some hundredths of a second for a million rows, and what coding costs for the rows
    /// that came meanwhile.
    ///
    /// # Errors
    /// A vector that came meanwhile cannot be read back.
    pub fn adopt_lists(&self, listed: &Self) -> Result<Self, VectorError> {
        let newer = self.parts();
        let mut parts = Parts::clone(listed.parts());
        for (slot, row) in alive(listed.parts(), 0) {
            if newer.file_row(slot) != Some(row) {
                parts.slots.remove(slot);
            }
        }
        let mut rows: Vec<(u32, u32)> = alive(newer, listed.file_rows()).collect();
        rows.sort_unstable_by_key(|(_, row)| *row);
        for rows in rows.chunks(TOGETHER) {
            let vectors = read(&newer.file, rows.iter().map(|(_, row)| *row))?;
            parts.add(&vectors, rows.iter().copied());
        }
        parts.file_rows = newer.file_rows;
        Ok(Self::of(parts))
    }

    /// The codes as they are, list by list.
    fn merged(&self) -> Self {
        let parts = self.parts();
        let width = encode::width(parts.coder.padded());
        let mut added: Vec<(u16, usize, usize)> = Vec::new();
        let mut codes = Codes::with_capacity(self.len(), width);
        codes.cover(&parts.listed.codes);
        let mut firsts = Vec::new();
        for (block, (first, rows)) in parts.all_codes().skip(1).enumerate() {
            firsts.push(rows);
            codes.cover(rows);
            for (index, (slot, list)) in rows.slots.iter().zip(&rows.lists).enumerate() {
                if parts.is_alive(*slot, first + index) {
                    added.push((*list, block, index));
                }
            }
        }
        added.sort_unstable();
        let mut added = added.into_iter().peekable();
        let listed = &parts.listed.codes;
        for list in 0..parts.coder.centroids.len() {
            for index in parts.listed.range(list) {
                if listed.slots.get(index).is_some_and(|slot| parts.is_alive(*slot, index)) {
                    codes.copy(listed, index, width);
                }
            }
            while let Some((_, block, index)) = added.next_if(|row| usize::from(row.0) == list) {
                if let Some(rows) = firsts.get(block) {
                    codes.copy(rows, index, width);
                }
            }
        }
        self.of_listed(Arc::clone(&parts.coder), codes)
    }

    /// New centroids, and everything coded anew.
    fn trained(&self) -> Result<Self, VectorError> {
        let parts = self.parts();
        let dim = parts.file.dim();
        let mut rows: Vec<(u32, u32)> = alive(parts, 0).collect();
        rows.sort_unstable_by_key(|(_, row)| *row);
        let rotation = Rotation::new(dim);
        let padded = rotation.padded();
        let sample = sample(&parts.file, &rotation, &rows)?;
        let centroids = train(&sample, padded, lists_for(rows.len(), padded), rows.len() as u32);
        drop(sample);
        let coder = Coder { rotation, centroids };
        let mut codes = code_all(&parts.file, &coder, &rows)?;
        codes.order_by_list(coder.centroids.len(), encode::width(padded));
        Ok(self.of_listed(Arc::new(coder), codes))
    }

    /// `codes` are of this version, and in the order of their lists.
    fn of_listed(&self, coder: Arc<Coder>, codes: Codes) -> Self {
        let mut slots = Slots::default();
        for (position, slot) in (0..).zip(&codes.slots) {
            slots.set(*slot, position);
        }
        let listed = ListedRows::new(codes, coder.centroids.len());
        let parts = self.parts();
        Self::of(Parts {
            file: Arc::clone(&parts.file),
            coder,
            listed: Arc::new(listed),
            blocks: Vec::new(),
            slots,
            file_rows: parts.file_rows,
        })
    }
}

/// Slot and row of the file of what is alive, from a row of the file on.
fn alive(parts: &Parts, least: u32) -> impl Iterator<Item = (u32, u32)> {
    parts.all_codes().flat_map(move |(first, codes)| {
        let rows = codes.slots.iter().zip(&codes.rows).enumerate();
        rows.filter(move |(index, (slot, row))| {
            **row >= least && parts.is_alive(**slot, first + index)
        })
        .map(|(_, (slot, row))| (*slot, *row))
    })
}

/// The vectors of these rows of the file, one behind the other.
fn read(file: &VectorFile, rows: impl Iterator<Item = u32>) -> Result<Vec<f32>, Damaged> {
    let rows: Vec<u32> = rows.collect();
    let mut vectors = Vec::with_capacity(rows.len() * file.dim());
    file.read_each(&rows, |_, vector| vectors.extend_from_slice(vector))?;
    Ok(vectors)
}

/// Rotated vectors of rows that lie evenly among all.
fn sample(
    file: &VectorFile,
    rotation: &Rotation,
    rows: &[(u32, u32)],
) -> Result<Vec<f32>, Damaged> {
    let padded = rotation.padded();
    let count = sample_rows(rows.len(), padded);
    let chosen: Vec<u32> = (0..count)
        .filter_map(|index| rows.get(index * rows.len() / count))
        .map(|(_, row)| *row)
        .collect();
    let mut sample = vec![0.0; count * padded];
    let mut places = sample.chunks_exact_mut(padded);
    file.read_each(&chosen, |_, vector| {
        if let Some(place) = places.next() {
            rotation.rotate(vector, place);
        }
    })?;
    Ok(sample)
}

/// Codes these rows of the file on all processors.
fn code_all(file: &VectorFile, coder: &Coder, rows: &[(u32, u32)]) -> Result<Codes, Damaged> {
    let width = encode::width(coder.padded());
    let mut codes = vec![0; rows.len() * width];
    let mut factors = vec![Factor::default(); rows.len()];
    let mut lists = vec![0; rows.len()];
    let failed = Mutex::new(None);
    let facts = factors.chunks_mut(TOGETHER).zip(lists.chunks_mut(TOGETHER));
    let work = rows.chunks(TOGETHER).zip(codes.chunks_mut(TOGETHER * width)).zip(facts);
    on_all_processors(work, |((rows, codes), (factors, lists))| {
        match read(file, rows.iter().map(|(_, row)| *row)) {
            Ok(vectors) => coder.encode_block(&vectors, codes, factors, lists),
            Err(damaged) => *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(damaged),
        }
    });
    if let Some(damaged) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(damaged);
    }
    let mut coded = Codes { codes, lists, ..Codes::default() };
    for factor in &factors {
        coded.widen(*factor);
    }
    coded.factors = factors.iter().map(|factor| factor.factor).collect();
    coded.slots = rows.iter().map(|(slot, _)| *slot).collect();
    coded.rows = rows.iter().map(|(_, row)| *row).collect();
    Ok(coded)
}
