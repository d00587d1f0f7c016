//! The trait that a new kind of worker implements.

use std::collections::HashSet;
use std::future::Future;

use bytes::Bytes;

use crate::failure::Failure;
use crate::job::Redo;
use crate::object::{ImageId, ObjectRef};

/// One finished object of a batch, ready to be written.
#[derive(Debug)]
pub struct Finished<I, O> {
    /// Which object version, with size and time as the store gave them with the content.
    pub object: ObjectRef,
    /// Result of [`Stage::decode`].
    pub input: I,
    /// Result of [`Stage::infer`].
    pub output: O,
}

/// The right to fetch one object, while the other stages of the process wait for the result. Ends
/// when it is dropped.
pub type Claim = tokio::sync::OwnedMutexGuard<()>;

/// Whether an object must be fetched.
#[derive(Debug)]
pub enum Ready<I> {
    /// Another stage of this process has decoded it already.
    Decoded {
        /// The same input that [`Stage::decode`] would return.
        input: I,
        /// Size of the original.
        size_bytes: u64,
    },
    /// It must be fetched. The worker holds the claim until the object is decoded.
    Fetch(Option<Claim>),
}

/// The work of a stage. The worker owns the loop, batching, order of settling and shutdown.
pub trait Stage: Send + Sync + 'static {
    /// One decoded object.
    type Input: Send + Sync + 'static;
    /// The model's output for one object.
    type Output: Clone + Send + Sync + 'static;

    /// Which of these object versions have their rows already.
    fn existing(
        &self,
        ids: &[ImageId],
    ) -> impl Future<Output = Result<HashSet<ImageId>, Failure>> + Send;

    /// Of the object versions whose jobs ask for a redo, those whose rows already satisfy it. By
    /// default any existing row does.
    fn redone(
        &self,
        asked: &[(ImageId, Redo)],
    ) -> impl Future<Output = Result<HashSet<ImageId>, Failure>> + Send {
        let ids: Vec<_> = asked.iter().map(|(id, _)| *id).collect();
        async move { self.existing(&ids).await }
    }

    /// Called before an object is fetched: other stages of the same process may have decoded it, or
    /// be decoding it.
    fn ready(&self, object: &ObjectRef) -> impl Future<Output = Ready<Self::Input>> + Send {
        let _ = object;
        std::future::ready(Ready::Fetch(None))
    }

    /// CPU work for one object, on a blocking thread, many at a time. No network.
    ///
    /// # Errors
    /// What is wrong with this object. The other members of the batch are not affected.
    fn decode(&self, object: &ObjectRef, bytes: Bytes) -> Result<Self::Input, Failure>;

    /// Identity of the content that the model will see: inputs with the same identity have the same
    /// output. `None` if it is unknown.
    fn content<'a>(&self, input: &'a Self::Input) -> Option<&'a str> {
        let _ = input;
        None
    }

    /// Outputs that are known already, from objects with the same content. Same length and order as
    /// the input. It only saves work: if it fails, the model is run. Not used for jobs that ask for
    /// [`Redo::Since`].
    fn known(
        &self,
        batch: &[&Self::Input],
    ) -> impl Future<Output = Result<Vec<Option<Self::Output>>, Failure>> + Send {
        std::future::ready(Ok(vec![None; batch.len()]))
    }

    /// Runs the model over a batch, on a blocking thread, one batch at a time. Same length and
    /// order as the input.
    ///
    /// # Errors
    /// The batch failed. Unless the failure is a halt, the worker tries its halves, down to single
    /// members, so that only the culprits fail.
    fn infer(&self, batch: &[&Self::Input]) -> Result<Vec<Self::Output>, Failure>;

    /// Makes a batch durable and visible to the next reader, in one commit per table. May be called
    /// twice for the same object.
    ///
    /// # Errors Not all of it is durable. Unless the failure is a halt, the worker writes its
    /// halves, down to single rows, so that only the culprits fail.
    fn write(
        &self,
        rows: &[Finished<Self::Input, Self::Output>],
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}
