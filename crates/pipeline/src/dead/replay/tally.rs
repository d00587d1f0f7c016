//! Which letters are still to be moved.

use std::collections::HashSet;

use super::pace::Progress;
use crate::dead::hold::Hold;
use crate::dead::selection::Selection;

/// Which letters are to be moved and which have been, by fingerprint.
pub(super) struct LetterTally {
    total: usize,
    selected: usize,
    pub(super) pending: HashSet<u128>,
    /// Being published, and not yet confirmed.
    pub(super) in_flight: HashSet<u128>,
    pub(super) moved: HashSet<u128>,
}

impl LetterTally {
    pub(super) fn new(hold: &Hold, selection: &Selection) -> Self {
        let selected = selection.of(hold.held.iter().map(|held| &held.letter));
        let pending = selected.iter().map(|letter| letter.fingerprint()).collect();
        Self {
            total: hold.held.len(),
            selected: selected.len(),
            pending,
            in_flight: HashSet::new(),
            moved: HashSet::new(),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        let left = self.pending.len() + self.in_flight.len();
        Progress {
            total: self.total,
            moved: self.selected - left,
            skipped: self.total - self.selected,
            left,
        }
    }
}
