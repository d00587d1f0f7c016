//! The share of the terms that a mask stands for, quickly.

use super::score::TermWeights;

/// Shares are compared as whole numbers, so that equal ones are equal in any order of adding.
const WHOLE: f64 = (1 << 20) as f64;

/// Pictures are counted in this many steps of the share.
pub(super) const STEPS: usize = 1 << 10;

/// Rounding of the shares of 64 terms together is less than this.
pub(super) const ROUNDING: u32 = 64;

/// The share of each mask, of [`WHOLE`].
pub(super) struct Shares {
    /// For each byte of a mask the shares of its values.
    pub(super) tables: [[u32; 256]; 8],
}

impl Shares {
    pub(super) fn of(weights: &TermWeights) -> Self {
        let table = |byte: usize| {
            let share = |bit: usize| (weights.share([byte * 8 + bit]) * WHOLE).round() as u32;
            let shares: [u32; 8] = std::array::from_fn(share);
            std::array::from_fn(|value| {
                let held = shares.iter().enumerate().filter(|(bit, _)| value >> bit & 1 == 1);
                held.map(|(_, share)| share).sum()
            })
        };
        Self { tables: std::array::from_fn(table) }
    }

    pub(super) fn step(share: u32) -> usize {
        (share as usize / (WHOLE as usize / STEPS)).min(STEPS)
    }

    pub(super) fn least_of(step: usize) -> u32 {
        (step * (WHOLE as usize / STEPS)) as u32
    }
}
