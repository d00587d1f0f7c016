//! How fast letters are moved, how that is stopped, and how far it is.

use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A replay waits while more than this many jobs wait in the bulk queue.
pub const DEEP: u32 = 100_000;
/// Fastest rate that can be asked for, in letters per second.
pub const MAX_RATE: f64 = 10_000.0;

/// How fast letters are moved, how that is stopped, and where its progress is shown.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Letters per second, above 0 and up to [`MAX_RATE`]; `None`: as fast as the broker takes
    /// them.
    pub rate: Option<f64>,
    /// A replay waits while more jobs than this wait in the bulk queue; usually [`DEEP`].
    pub most_waiting: u32,
    /// Stops between two letters.
    pub cancel: CancellationToken,
    /// Updated after every letter.
    pub progress: watch::Sender<Progress>,
}

impl Pace {
    /// As fast as the broker takes them, until cancelled.
    pub fn full(cancel: CancellationToken) -> Self {
        Self { rate: None, most_waiting: DEEP, cancel, progress: watch::Sender::default() }
    }
}

/// How far a replay or drop is. `total = moved + skipped + left`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Dead letters at the start.
    pub total: usize,
    /// Replayed or dropped.
    pub moved: usize,
    /// Not selected.
    pub skipped: usize,
    /// Selected and still to come.
    pub left: usize,
}

/// Result of a replay or drop.
#[derive(Debug, Clone, Serialize)]
pub struct Walked {
    /// Its identity, which replayed jobs carry as `bl-replay-id`.
    pub id: String,
    /// What was done.
    #[serde(flatten)]
    pub progress: Progress,
    /// Whether it was stopped before its end.
    pub cancelled: bool,
    /// Dead letters beyond those that can be read at once; a further run finds them.
    pub unseen: usize,
}
