//! The product's own small objects in the bucket: what must hold across restarts and for processes
//! started later.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bucket::{Bucket, BucketError, BucketSettings, Only};

// State is a few kilobytes; what is larger was not written by this program.
const MAX_BYTES: u64 = 16 << 20;

/// The folder `<bucket.own_prefix>state/`. Clones share the client.
#[derive(Debug, Clone)]
pub struct State {
    bucket: Bucket,
    folder: String,
}

/// A state object cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The store did not answer or refused.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// It holds something else than this program writes.
    #[error(
        "the state object '{key}' cannot be read ({problem}): if no newer release wrote it, remove it"
    )]
    Malformed {
        /// Its key.
        key: String,
        /// What is wrong.
        problem: serde_json::Error,
    },
}

impl State {
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
