//! Exact cosines, read from the vector file.

use std::cmp::Ordering;

use crate::vectors::allowed::Allowed;
use crate::vectors::error::VectorError;
use crate::vectors::products::dot;
use crate::vectors::version::{Parts, Vectors, check};

/// A slot and the exact cosine of its vector with the query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    /// Whose vector it is.
    pub slot: u32,
    /// [`dot`] of query and vector: the cosine, where both are of unit length.
    pub cosine: f32,
}

impl Vectors {
    /// What [`nearest`](Self::nearest) approximates: all allowed vectors are compared exactly.
    /// Reads all of them.
    ///
    /// # Errors
    /// The query has another dimension or is not finite, or a vector cannot be read back.
    pub fn nearest_exact(
        &self,
        query: &[f32],
        allowed: Option<&Allowed>,
        wanted: usize,
    ) -> Result<Vec<Near>, VectorError> {
        check(query, self.dim(), 0)?;
        let mut places = Vec::new();
        for (first, codes) in self.parts().all_codes() {
            for (index, (slot, row)) in codes.slots.iter().zip(&codes.rows).enumerate() {
                let may = allowed.is_none_or(|allowed| allowed.contains(*slot));
                if may && self.parts().is_alive(*slot, first + index) {
                    places.push((*row, *slot));
                }
            }
        }
        self.parts().exact(query, places, wanted)
    }

    /// The exact cosine of each of these slots; none without a vector.
    ///
    /// # Errors
    /// The query has another dimension or is not finite, or a vector cannot be read back.
    pub fn cosines(&self, query: &[f32], slots: &[u32]) -> Result<Vec<Option<f32>>, VectorError> {
        check(query, self.dim(), 0)?;
        let rows = slots.iter().enumerate();
        let mut rows: Vec<(u32, usize)> =
            rows.filter_map(|(index, slot)| Some((self.parts().file_row(*slot)?, index))).collect();
        rows.sort_unstable();
        let places: Vec<u32> = rows.iter().map(|(row, _)| *row).collect();
        let mut cosines = vec![None; slots.len()];
        self.parts().file.read_each(&places, |place, vector| {
            let cosine = rows.get(place).and_then(|(_, index)| cosines.get_mut(*index));
            if let Some(cosine) = cosine {
                *cosine = Some(dot(query, vector));
            }
        })?;
        Ok(cosines)
    }

    /// The exact vector of a slot.
    ///
    /// # Errors
    /// It cannot be read back.
    pub fn vector(&self, slot: u32) -> Result<Option<Vec<f32>>, VectorError> {
        let Some(row) = self.parts().file_row(slot) else { return Ok(None) };
        let mut vector = vec![0.0; self.dim()];
        self.parts().file.read(row, &mut vector)?;
        Ok(Some(vector))
    }
}

impl Parts {
    /// The nearest of these rows of the file, each with its slot.
    pub(super) fn exact(
        &self,
        query: &[f32],
        mut rows: Vec<(u32, u32)>,
        wanted: usize,
    ) -> Result<Vec<Near>, VectorError> {
        rows.sort_unstable();
        let places: Vec<u32> = rows.iter().map(|(row, _)| *row).collect();
        let mut near = Vec::new();
        self.file.read_each(&places, |index, vector| {
            if let Some((_, slot)) = rows.get(index) {
                near.push(Near { slot: *slot, cosine: dot(query, vector) });
            }
        })?;
        if wanted < near.len() {
            near.select_nth_unstable_by(wanted, best_first);
            near.truncate(wanted);
        }
        near.sort_unstable_by(best_first);
        Ok(near)
    }
}

/// The greater cosine first, then the smaller slot.
pub(super) fn best_first(a: &Near, b: &Near) -> Ordering {
    b.cosine.total_cmp(&a.cosine).then(a.slot.cmp(&b.slot))
}
