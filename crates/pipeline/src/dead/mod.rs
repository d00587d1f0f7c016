//! The dead queue: list its letters, replay them, drop them.
//!
//! Every access takes the whole queue on loan for a moment. It returns the letters that it does not
//! settle by closing its channel, because only that keeps their order: a `nack` of more than 32
//! messages scrambles it (seen on RabbitMQ 3.10), and reading only some of them moves those to the
//! end. A lock makes sure that no reader sees half of a queue that another one holds.

mod broker_death;
mod clear;
mod error;
mod group;
mod hold;
mod letter;
mod presence;
mod replay;
mod selection;
mod tidy;

use crate::connection::{AmqpSettings, BrokerError};
use crate::stage_name::StageName;

pub use error::DeadError;
pub use group::{Group, groups};
pub use hold::MOST;
pub use letter::DeadLetter;
pub use presence::{Presence, Survey, presence, survey};
pub use replay::{DEEP, MAX_RATE, Pace, Progress, Walked, discard, replay};
pub use selection::{Selection, SelectionError, key_glob, since};
pub use tidy::{Tidied, tidy};

/// The letters of a dead queue.
#[derive(Debug)]
pub struct DeadLetterPage {
    /// The dead letters, oldest first, [`MOST`] at most.
    pub letters: Vec<DeadLetter>,
    /// How many more there were.
    pub unseen: usize,
}

/// The dead letters of a stage. Changes nothing, not even their order. While it reads (a second or
/// two per ten thousand letters) no other process can; it waits up to half a minute for one that
/// does.
///
/// # Errors
/// The broker is not reachable or refuses, or another process held the letters all the time.
pub async fn peek(
    settings: &AmqpSettings,
    stage: &StageName,
) -> Result<DeadLetterPage, BrokerError> {
    let hold = hold::Hold::take(settings, stage).await?;
    let (held, unseen) = hold.release(0).await;
    Ok(DeadLetterPage { letters: held.into_iter().map(|held| held.letter).collect(), unseen })
}
