//! The nearest vectors: candidates by their codes, then exact cosines.

use crate::vectors::allowed::Allowed;
use crate::vectors::asked::{Asked, Estimate};
use crate::vectors::candidates::Candidates;
use crate::vectors::codes::Codes;
use crate::vectors::error::VectorError;
use crate::vectors::exact::Near;
use crate::vectors::version::{BLOCK_ROWS, Vectors};
use crate::vectors::walk::Walk;

/// So few rows are compared exactly at once.
const EXACT_ROWS: usize = 256;

/// So few allowed slots are looked at one by one, without the lists.
const DIRECT_ROWS: usize = 32 * 1024;

/// Standard deviations of an error's bound: one estimate in three million is outside of it if
/// errors are normal, and theirs have lighter tails.
const BOUND_DEVIATIONS: f32 = 5.0;

impl Vectors {
    /// The `wanted` nearest of the allowed slots, the nearest first, equal ones by slot. Cosines
    /// are exact; one in some hundred of the nearest may be missed, but there are fewer than
    /// `wanted` only if fewer are allowed.
    ///
    /// # Errors
    /// The query has another dimension or is not finite, or a vector cannot be read back.
    pub fn nearest(
        &self,
        query: &[f32],
        allowed: Option<&Allowed>,
        wanted: usize,
    ) -> Result<Vec<Near>, VectorError> {
        let parts = self.parts();
        let asked = Asked::new(parts, query, allowed)?;
        let wanted = wanted.min(self.len());
        if wanted == 0 {
            return Ok(Vec::new());
        }
        if self.len() <= EXACT_ROWS {
            return self.nearest_exact(query, allowed, wanted);
        }
        let mut candidates = Candidates::new(wanted, asked.noise);
        match allowed {
            Some(allowed) if allowed.count() <= EXACT_ROWS => {
                let rows = allowed.iter().filter_map(|slot| Some((parts.file_row(slot)?, slot)));
                return parts.exact(query, rows.collect(), wanted);
            }
            Some(allowed) if allowed.count() <= DIRECT_ROWS => {
                asked.one_by_one(allowed, |codes, _, estimate| {
                    candidates.consider(codes, &estimate, |_, _| true);
                });
            }
            _ => Walk::new(&asked, &mut candidates).run(),
        }
        Ok(candidates.nearest(&parts.file, query)?)
    }

    /// Tells `out` each allowed slot that has a vector, and an estimate of its cosine. In no order.
    /// Estimates are within [`estimate_error`](Self::estimate_error) of the cosine.
    ///
    /// # Errors
    /// The query has another dimension or is not finite.
    pub fn estimates(
        &self,
        query: &[f32],
        allowed: Option<&Allowed>,
        mut out: impl FnMut(u32, f32),
    ) -> Result<(), VectorError> {
        let asked = Asked::new(self.parts(), query, allowed)?;
        if let Some(allowed) = allowed.filter(|allowed| allowed.count() <= self.len() / 4) {
            asked.one_by_one(allowed, |codes, _, estimate| {
                if let Some(slot) = codes.slots.get(estimate.index) {
                    out(*slot, estimate.cosine);
                }
            });
            return Ok(());
        }
        for (first, codes) in self.parts().all_codes() {
            asked.range(codes, 0..codes.len(), |estimate| {
                if let Some(slot) = codes.slots.get(estimate.index)
                    && self.parts().is_alive(*slot, first + estimate.index)
                {
                    out(*slot, estimate.cosine);
                }
            });
        }
        Ok(())
    }

    /// A bound of the difference between estimate and cosine for queries of unit length: five
    /// standard deviations of the row whose code is the least exact.
    pub fn estimate_error(&self) -> f32 {
        let codes = self.parts().all_codes();
        BOUND_DEVIATIONS * codes.fold(0f32, |error, (_, codes)| error.max(codes.error))
    }
}

impl Asked<'_> {
    /// Estimates slot by slot, however the rows lie. Dead rows are not met.
    fn one_by_one(&self, allowed: &Allowed, mut each: impl FnMut(&Codes, usize, Estimate)) {
        let parts = self.parts;
        let listed = parts.listed.codes.len() as u32;
        let positions = allowed.iter().filter_map(|slot| parts.slots.position(slot));
        let (near, mut rest): (Vec<u32>, Vec<u32>) =
            positions.partition(|position| *position < listed);
        self.places(&parts.listed.codes, &near, |estimate| each(&parts.listed.codes, 0, estimate));
        for position in &mut rest {
            *position -= listed;
        }
        rest.sort_unstable();
        let block_of = |position: u32| position as usize / BLOCK_ROWS;
        for run in rest.chunk_by_mut(|a, b| block_of(*a) == block_of(*b)) {
            let index = run.first().map_or(0, |first| block_of(*first));
            let Some(codes) = parts.blocks.get(index) else { continue };
            let first = index * BLOCK_ROWS;
            for position in run.iter_mut() {
                *position -= first as u32;
            }
            self.places(codes, run, |estimate| each(codes, listed as usize + first, estimate));
        }
    }
}
