//! The one thing a new kind of worker implements.

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
    /// What [`Stage::decode`] made of it.
    pub input: I,
    /// What [`Stage::infer`] made of that.
    pub output: O,
}

/// The right to fetch one object while the other stages of the process wait for what becomes of it.
/// Given back when dropped.
pub type Claim = tokio::sync::OwnedMutexGuard<()>;

/// Whether an object must be fetched.
#[derive(Debug)]
pub enum Ready<I> {
    /// It was decoded already, for another stage of this process.
    Decoded {
        /// What [`Stage::decode`] would make of it.
        input: I,
        /// Size of the original.
        size_bytes: u64,
    },
    /// It must be; a claim is held until it is decoded.
    Fetch(Option<Claim>),
}

/// The meaning of a stage; the worker owns loop, batching, order of settling and shutdown.
pub trait Stage: Send + Sync + 'static {
    /// One decoded object.
    type Input: Send + Sync + 'static;
    /// What the model says about one object.
    type Output: Clone + Send + Sync + 'static;

    /// Which of these object versions have their rows already.
    fn existing(
        &self,
        ids: &[ImageId],
    ) -> impl Future<Output = Result<HashSet<ImageId>, Failure>> + Send;

    /// Which of these object versions need not be done again, although that is asked for: their
    /// rows are already what it asks for. Where the work never changes, that is all that exist.
    fn redone(
        &self,
        asked: &[(ImageId, Redo)],
    ) -> impl Future<Output = Result<HashSet<ImageId>, Failure>> + Send {
        let ids: Vec<_> = asked.iter().map(|(id, _)| *id).collect();
        async move { self.existing(&ids).await }
    }

    /// Asked before an object is fetched: other stages of the same process may have decoded it, or
    /// be about to.
    fn ready(&self, object: &ObjectRef) -> impl Future<Output = Ready<Self::Input>> + Send {
        let _ = object;
        std::future::ready(Ready::Fetch(None))
    }

    /// CPU work for one object, on a blocking thread, many at a time. No network.
    ///
    /// # Errors
    /// What is wrong with this object; its neighbours are not concerned.
    fn decode(&self, object: &ObjectRef, bytes: Bytes) -> Result<Self::Input, Failure>;

    /// Names what the model will see: two inputs with the same name have the same output. `None`
    /// where that is not known.
    fn content<'a>(&self, input: &'a Self::Input) -> Option<&'a str> {
        let _ = input;
        None
    }

    /// The outputs that are known already, from objects with the same content; same length and
    /// order as the input. Only a saving: where it fails, the model is run. Not used for what
    /// [`Redo::Since`] asks for.
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
    /// The batch failed. Unless it is a halt, the worker tries its halves, down to single members,
    /// so that only the culprits fail.
    fn infer(&self, batch: &[&Self::Input]) -> Result<Vec<Self::Output>, Failure>;

    /// Makes a batch durable and visible to the next reader, in one commit per table. May be called
    /// twice for the same object.
    ///
    /// # Errors
    /// Not all of it is durable. Unless it is a halt, the worker writes its halves, down to single
    /// rows, so that only the culprits fail.
    fn write(
        &self,
        rows: &[Finished<Self::Input, Self::Output>],
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}
