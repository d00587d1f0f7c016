//! The dead queue: looked at without taking anything out, put back to work, emptied on purpose.
//!
//! Every access holds the whole queue for a moment and hands back what it does not settle by
//! closing its channel. That alone keeps the order: a `nack` of more than 32 messages scrambles it
//! (seen on RabbitMQ 3.10), and a look at only some of them moves those to the end. A lock makes
//! sure that nobody sees half of a queue that somebody else holds.

mod group;
mod hold;
mod letter;
mod presence;
mod replay;
mod selection;
mod tidy;

use crate::connection::{AmqpSettings, BrokerError};
use crate::publish::PublishError;
use crate::stage_name::StageName;

pub use group::{Group, groups};
pub use letter::DeadLetter;
pub use presence::{Presence, Survey, presence, survey};
pub use replay::{DEEP, MAX_RATE, Pace, Progress, Walked, discard, replay};
pub use selection::{Selection, SelectionError, key_glob, since};
pub use tidy::{Tidied, tidy};

/// As many dead letters as can be seen at once: what one consumer may hold.
pub const MOST: usize = u16::MAX as usize;

/// What lies in a dead queue.
#[derive(Debug)]
pub struct Look {
    /// The dead letters, oldest first, [`MOST`] at most.
    pub letters: Vec<DeadLetter>,
    /// How many there were besides these.
    pub unseen: usize,
}

/// A replay, drop or tidying could not go on. What it had done by then stays done.
#[derive(Debug, thiserror::Error)]
pub enum DeadError {
    /// The broker is not reachable, refuses, or somebody else holds the dead letters.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// A letter could not be published; it still lies in the dead queue.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The object of a letter could not be asked for.
    #[error(transparent)]
    Bucket(#[from] crate::bucket::BucketError),
    /// The store says 404 and may mean the whole bucket.
    #[error(
        "the bucket '{0}' cannot be listed, so its 404 for single objects are not believed: check bucket.name and access"
    )]
    Unbelievable(String),
}

/// The dead letters of a stage. Changes nothing, not even their order. While it looks (a second or
/// two per ten thousand) nobody else sees them; it waits up to half a minute for others that do.
///
/// # Errors
/// The broker is not reachable or refuses, or somebody else held the letters all the time.
pub async fn peek(settings: &AmqpSettings, stage: &StageName) -> Result<Look, BrokerError> {
    let hold = hold::Hold::take(settings, stage).await?;
    let (held, unseen) = hold.release(0).await;
    Ok(Look { letters: held.into_iter().map(|held| held.letter).collect(), unseen })
}
