//! Searches by pictures take turns of their own. They may take seconds, so one that waits for its
//! turn leaves its place among the requests worked on to others: words never wait for pictures.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::admission::{WorkPlace, overloaded};
use crate::problem::Problem;

/// Searches by pictures that may wait, for each one that is worked on. They are fewer than the
/// requests that admission lets in, so words can always come in too.
const WAITING_PER_TURN: usize = 3;

/// The turns of searches by pictures.
pub(crate) struct PictureTurns {
    turns: Semaphore,
    queue: Semaphore,
}

/// The right to search by a picture, until dropped.
pub(super) struct PictureTurn<'a> {
    _queued: SemaphorePermit<'a>,
    _turn: SemaphorePermit<'a>,
}

impl PictureTurns {
    pub(crate) fn new(at_once: usize) -> Self {
        let queue = Semaphore::new(at_once * (1 + WAITING_PER_TURN));
        Self { turns: Semaphore::new(at_once), queue }
    }

    /// Waits for a turn, as long as the request may take.
    ///
    /// # Errors
    /// 503: too many wait already.
    pub(super) async fn take(&self, place: Option<&WorkPlace>) -> Result<PictureTurn<'_>, Problem> {
        let queued = self.queue.try_acquire().map_err(|_| overloaded())?;
        if let Some(place) = place {
            place.leave();
        }
        let turn = self.turns.acquire().await.map_err(|_| overloaded())?;
        Ok(PictureTurn { _queued: queued, _turn: turn })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn some_wait_for_a_turn_and_the_rest_is_refused() {
        let turns = PictureTurns::new(1);
        let first = turns.take(None).await.ok().unwrap();
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(turns.take(None))).collect();
        for one in &mut waiting {
            assert!(futures::poll!(one).is_pending());
        }
        assert!(turns.take(None).await.is_err(), "one more than may wait");
        drop(first);
        for one in waiting {
            assert!(one.await.is_ok(), "each gives its turn to the next");
        }
    }
}
