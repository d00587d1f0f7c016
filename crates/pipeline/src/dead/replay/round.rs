//! One round of a replay or drop: letters move while the queue is held.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::brakes::Brakes;
use super::pace::Pace;
use super::tally::LetterTally;
use crate::dead::hold::{HeldLetter, Hold};
use crate::publish::{PublishError, Publisher};
use crate::topology::Topology;

// Other readers get a turn between two rounds, and no letter is on loan for so long that the
// broker's consumer timeout matters.
const ROUND: Duration = Duration::from_secs(15);
// Letters in flight at once.
const WINDOW: usize = 64;
// When the replay is stopped, publishes in flight are awaited for so long, because their letters
// would otherwise be in both queues.
const LANDING: Duration = Duration::from_secs(10);

/// A replay (with a publisher) or a drop (without) of the letters in `tally`.
pub(super) struct LetterMover<'a> {
    pub(super) topology: &'a Topology,
    pub(super) publisher: Option<&'a Publisher>,
    pub(super) replay_id: &'a str,
    pub(super) pace: &'a Pace,
    pub(super) tally: LetterTally,
}

/// What happened in one round.
#[derive(Default)]
pub(super) struct MoveRound {
    /// Letters that have left the dead queue.
    pub(super) settled: usize,
    /// Whether any letter that is still to be moved was in the queue.
    pub(super) found: bool,
    pub(super) error: Option<PublishError>,
}

/// What happened to one letter.
struct LetterMove {
    fingerprint: u128,
    /// Whether the letter is where it belongs now.
    moved: Result<bool, PublishError>,
    /// Whether it has left the dead queue.
    settled: bool,
}

impl LetterMover<'_> {
    /// Moves letters until all are moved, the time is up or the replay is stopped.
    pub(super) async fn round(&mut self, hold: &Hold, brakes: &mut Brakes) -> MoveRound {
        let mut round = MoveRound::default();
        let mut in_flight = FuturesUnordered::new();
        brakes.begin(ROUND);
        for held in &hold.held {
            let fingerprint = held.letter.fingerprint();
            if self.tally.moved.contains(&fingerprint) {
                round.settled += usize::from(held.settle().await);
            }
            if !self.tally.pending.contains(&fingerprint) {
                continue;
            }
            round.found = true;
            let go = {
                let mut turn = std::pin::pin!(brakes.turn(hold.connection()));
                loop {
                    tokio::select! {
                        Some(moved) = in_flight.next(), if !in_flight.is_empty() => {
                            self.note(moved, &mut round);
                        }
                        go = &mut turn, if in_flight.len() < WINDOW => break go,
                    }
                }
            };
            if !go || round.error.is_some() {
                break;
            }
            self.tally.pending.remove(&fingerprint);
            self.tally.in_flight.insert(fingerprint);
            in_flight.push(move_one(held, self.publisher, self.topology, self.replay_id));
        }
        self.finish(in_flight, &mut round).await;
        // Unconfirmed letters may be in both queues, never in none.
        let LetterTally { pending, in_flight, .. } = &mut self.tally;
        pending.extend(in_flight.drain());
        round
    }

    /// Waits for the letters in flight; once the replay is stopped, for ten seconds at most.
    async fn finish(
        &mut self,
        mut in_flight: FuturesUnordered<impl Future<Output = LetterMove>>,
        round: &mut MoveRound,
    ) {
        let cancel = self.pace.cancel.clone();
        let patience = async {
            cancel.cancelled().await;
            tokio::time::sleep(LANDING).await;
        };
        let mut patience = std::pin::pin!(patience);
        while !in_flight.is_empty() {
            tokio::select! {
                Some(moved) = in_flight.next() => self.note(moved, round),
                () = &mut patience => return,
            }
        }
    }

    fn note(&mut self, letter: LetterMove, round: &mut MoveRound) {
        round.settled += usize::from(letter.settled);
        self.tally.in_flight.remove(&letter.fingerprint);
        match letter.moved {
            Ok(true) => {
                self.tally.moved.insert(letter.fingerprint);
                let action = if self.publisher.is_some() { "replayed" } else { "dropped" };
                metrics::counter!("bucketlens_dead_letters_moved_total", "action" => action)
                    .increment(1);
            }
            Ok(false) => {
                self.tally.pending.insert(letter.fingerprint);
            }
            Err(error) => {
                self.tally.pending.insert(letter.fingerprint);
                round.error.get_or_insert(error);
            }
        }
        self.report();
    }

    /// Shows the progress.
    pub(super) fn report(&self) {
        self.pace.progress.send_replace(self.tally.progress());
    }
}

async fn move_one(
    held: &HeldLetter,
    publisher: Option<&Publisher>,
    topology: &Topology,
    replay_id: &str,
) -> LetterMove {
    let fingerprint = held.letter.fingerprint();
    let Some(publisher) = publisher else {
        let settled = held.settle().await;
        return LetterMove { fingerprint, moved: Ok(settled), settled };
    };
    match publisher.publish(held.letter.revived(topology, replay_id)).await {
        Ok(()) => LetterMove { fingerprint, moved: Ok(true), settled: held.settle().await },
        Err(error) => LetterMove { fingerprint, moved: Err(error), settled: false },
    }
}
