//! Replaying dead letters, or dropping them for good, one by one.
//!
//! Only letters that are in the queue at the start are moved. Letters that die meanwhile, replayed
//! ones included, are left alone. A letter is published and confirmed before it leaves the dead
//! queue, so a crash in between leaves it in both queues, never in none.

mod brakes;
mod pace;
mod round;
mod tally;

use std::time::Duration;

use brakes::Brakes;
use round::LetterMover;
use tally::LetterTally;

use super::clear::{ATTEMPTS, clear, take_again};
use super::error::DeadError;
use super::hold::Hold;
use super::selection::Selection;
use crate::connection::AmqpSettings;
use crate::publish::Publisher;
use crate::stage_name::StageName;
use crate::topology::Topology;

pub use pace::{DEEP, MAX_RATE, Pace, Progress, Walked};

const BETWEEN_ROUNDS: Duration = Duration::from_secs(1);
// These last more than a minute, so that a broker may restart.
const PATIENT_ATTEMPTS: usize = 10;

/// Publishes the selected dead letters to their stage's bulk queue, each confirmed before it leaves
/// the dead queue.
///
/// # Errors
/// The broker is away for long or refuses, or another process holds the letters. Letters that were
/// moved by then stay moved.
pub async fn replay(
    settings: &AmqpSettings,
    stage: &StageName,
    publisher: &Publisher,
    selection: &Selection,
    pace: &Pace,
) -> Result<Walked, DeadError> {
    move_letters(settings, stage, Some(publisher), selection, pace).await
}

/// Takes the selected dead letters out of the queue for good.
///
/// # Errors
/// As for [`replay`].
pub async fn discard(
    settings: &AmqpSettings,
    stage: &StageName,
    selection: &Selection,
    pace: &Pace,
) -> Result<Walked, DeadError> {
    move_letters(settings, stage, None, selection, pace).await
}

async fn move_letters(
    settings: &AmqpSettings,
    stage: &StageName,
    publisher: Option<&Publisher>,
    selection: &Selection,
    pace: &Pace,
) -> Result<Walked, DeadError> {
    let mut walked = Walked {
        id: uuid::Uuid::new_v4().simple().to_string(),
        progress: Progress::default(),
        cancelled: false,
        unseen: 0,
    };
    let Some(mut hold) = unless_cancelled(pace, Hold::take(settings, stage)).await.transpose()?
    else {
        walked.cancelled = true;
        return Ok(walked);
    };
    walked.unseen = hold.unseen();
    let topology = Topology::new(&settings.namespace);
    let bulk = publisher.map(|_| topology.bulk_queue(stage));
    let mut mover = LetterMover {
        topology: &topology,
        publisher,
        replay_id: &walked.id,
        pace,
        tally: LetterTally::new(&hold, selection),
    };
    let mut brakes = Brakes::new(pace, bulk);
    mover.report();
    let mut in_vain = 0;
    loop {
        let before = mover.tally.pending.len();
        let round = mover.round(&hold, &mut brakes).await;
        hold.release(round.settled).await;
        if let Some(error) = round.error {
            return Err(error.into());
        }
        // Letters that are never found again were taken out by another process.
        in_vain = if mover.tally.pending.len() < before || round.found { 0 } else { in_vain + 1 };
        if mover.tally.pending.is_empty() || pace.cancel.is_cancelled() || in_vain == ATTEMPTS {
            break;
        }
        if unless_cancelled(pace, tokio::time::sleep(BETWEEN_ROUNDS)).await.is_none() {
            break;
        }
        match unless_cancelled(pace, take_again(settings, stage, PATIENT_ATTEMPTS)).await {
            Some(taken) => hold = taken?,
            None => break,
        }
    }
    clear(settings, stage, &mover.tally.moved).await;
    walked.progress = mover.tally.progress();
    walked.cancelled = pace.cancel.is_cancelled() && walked.progress.left > 0;
    Ok(walked)
}

async fn unless_cancelled<T>(pace: &Pace, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = pace.cancel.cancelled() => None,
        done = work => Some(done),
    }
}
