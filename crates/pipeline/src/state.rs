//! The product's own small objects in the bucket. They hold state that must outlive every process
//! and be known to processes started later.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::bucket::{Bucket, BucketError, BucketSettings, Only};

// State is a few kilobytes; a larger object was not written by this program.
const MAX_BYTES: u64 = 16 << 20;

const POLL: Duration = Duration::from_secs(2);
// So many conflicts in a row mean that another process changes the object all the time.
const ATTEMPTS: usize = 20;

/// The folder `<bucket.own_prefix>state/`. Clones share the client.
#[derive(Debug, Clone)]
pub struct StateStore {
    bucket: Bucket,
    folder: String,
}

/// A state object cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The store did not answer or refused.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// It has another shape than this program writes.
    #[error(
        "the state object '{key}' cannot be read ({problem}): \
         if no newer release wrote it, remove it"
    )]
    Malformed {
        /// Its key.
        key: String,
        /// What is wrong.
        problem: serde_json::Error,
    },
    /// Other processes change it all the time.
    #[error("others keep changing the state object '{0}', nothing was changed: try again")]
    Contended(String),
}

impl StateStore {
    /// Below the product's own prefix of this bucket.
    pub fn new(bucket: Bucket, settings: &BucketSettings) -> Self {
        Self { bucket, folder: format!("{}state/", settings.own_prefix) }
    }

    /// Key of the object `name`.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.folder)
    }

    /// The bytes of an object and their ETag; `None` if it does not exist.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn read(&self, name: &str) -> Result<Option<(Bytes, String)>, StateError> {
        Ok(self.bucket.read(&self.key(name), MAX_BYTES).await?)
    }

    /// A JSON object and its ETag; `None` if it does not exist.
    ///
    /// # Errors
    /// The store did not answer or refused, or the object has another shape.
    pub async fn get<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<(T, String)>, StateError> {
        let Some((bytes, etag)) = self.read(name).await? else { return Ok(None) };
        let value = serde_json::from_slice(&bytes);
        Ok(Some((
            value.map_err(|problem| StateError::Malformed { key: self.key(name), problem })?,
            etag,
        )))
    }

    /// Writes bytes under a condition and returns their ETag; `None` if the condition did not hold.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn write(
        &self,
        name: &str,
        body: Bytes,
        only: Only,
    ) -> Result<Option<String>, StateError> {
        Ok(self.bucket.write(&self.key(name), body, only).await?)
    }

    /// Writes JSON under a condition and returns its ETag; `None` if the condition did not hold.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn put<T: Serialize>(
        &self,
        name: &str,
        value: &T,
        only: Only,
    ) -> Result<Option<String>, StateError> {
        let body = serde_json::to_vec(value)
            .map_err(|problem| StateError::Malformed { key: self.key(name), problem })?;
        self.write(name, body.into(), only).await
    }

    /// Changes a JSON object by optimistic locking; one that does not exist starts as the default.
    /// `edit` is called again if another process changed the object meanwhile. If it returns an
    /// error, nothing is changed and that error is the inner result.
    ///
    /// # Errors
    /// The store did not answer or refused, the object has another shape, or other processes change
    /// it all the time.
    pub async fn change<V, T, E>(
        &self,
        name: &str,
        edit: impl Fn(&mut V) -> Result<T, E>,
    ) -> Result<Result<T, E>, StateError>
    where
        V: Serialize + DeserializeOwned + Default + Clone + PartialEq,
    {
        for _ in 0..ATTEMPTS {
            let (mut value, only) = match self.get::<V>(name).await? {
                Some((value, etag)) => (value, Only::IfStill(etag)),
                None => (V::default(), Only::IfAbsent),
            };
            let before = value.clone();
            let edited = edit(&mut value);
            let unchanged = edited.is_err() || value == before;
            if unchanged || self.put(name, &value, only).await?.is_some() {
                return Ok(edited);
            }
        }
        Err(StateError::Contended(self.key(name)))
    }

    /// Reads a JSON object every two seconds and calls `publish` with it, with `None` if it does
    /// not exist, or with the error. The first error of a kind is logged. Runs until dropped.
    pub async fn follow<V: DeserializeOwned>(
        &self,
        name: &str,
        publish: impl Fn(Result<Option<V>, StateError>),
    ) {
        let mut last_problem = None;
        loop {
            let read = self.get::<V>(name).await.map(|read| read.map(|(value, _)| value));
            let problem = read.as_ref().err().map(ToString::to_string);
            if let Some(problem) = problem.as_ref().filter(|_| problem != last_problem) {
                tracing::warn!(
                    problem,
                    object = self.key(name),
                    "a state object cannot be read, its last known content holds"
                );
            }
            last_problem = problem;
            publish(read);
            tokio::time::sleep(POLL).await;
        }
    }

    /// Removes an object; one that does not exist is no error.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn delete(&self, name: &str) -> Result<(), StateError> {
        Ok(self.bucket.delete(&self.key(name)).await?)
    }

    /// Names of all objects that begin with `prefix`, in order.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn names(&self, prefix: &str) -> Result<Vec<String>, StateError> {
        let (mut names, mut token) = (Vec::new(), None);
        loop {
            let page = self.bucket.list_page(&self.key(prefix), token).await?;
            names.extend(
                page.objects
                    .iter()
                    .filter_map(|object| object.key.strip_prefix(&self.folder))
                    .map(str::to_owned),
            );
            token = page.next;
            if token.is_none() {
                return Ok(names);
            }
        }
    }
}

/// Wakes the receivers only when the value is a new one.
pub(crate) fn publish_if_new<T: PartialEq>(known: &watch::Sender<T>, value: T) {
    known.send_if_modified(|known| {
        let is_new = *known != value;
        *known = value;
        is_new
    });
}
