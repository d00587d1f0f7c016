//! What can go wrong with dead letters.

use crate::bucket::BucketError;
use crate::connection::BrokerError;
use crate::publish::PublishError;

/// A replay, drop or tidying could not go on. Letters that it has moved stay moved.
#[derive(Debug, thiserror::Error)]
pub enum DeadError {
    /// The broker is not reachable, refuses, or another process holds the dead letters.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// A letter could not be published; it is still in the dead queue.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The store could not be asked for the object of a letter.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The store says 404 and may mean the whole bucket.
    #[error(
        "the bucket '{0}' cannot be listed, so its 404 for single objects are not believed: \
         check bucket.name and access"
    )]
    Unbelievable(String),
}
