//! Writing and removing the product's own objects.

use aws_sdk_s3::error::ProvideErrorMetadata;
use bytes::Bytes;

use super::client::{Bucket, unquoted};
use super::error::{BucketError, status};

/// When [`Bucket::write`] may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Only {
    /// Always.
    Always,
    /// Only if there is no object under the key.
    IfAbsent,
    /// Only if the object there has this ETag.
    IfStill(String),
}

impl Bucket {
    /// Writes an object under a condition and returns its new ETag; `None` if the condition did not
    /// hold.
    ///
    /// # Errors
    /// The store did not answer or refused for another reason.
    pub async fn write(
        &self,
        key: &str,
        body: Bytes,
        only: Only,
    ) -> Result<Option<String>, BucketError> {
        let mut request = self.client.put_object().bucket(&self.name).key(key).body(body.into());
        match only {
            Only::Always => {}
            Only::IfAbsent => request = request.if_none_match("*"),
            Only::IfStill(etag) => request = request.if_match(format!("\"{etag}\"")),
        }
        match request.send().await {
            Ok(answer) => Ok(Some(unquoted(answer.e_tag().unwrap_or_default()))),
            // 404: the object to replace is gone. 409: another write is under way.
            Err(error)
                if matches!(status(&error), Some(404 | 409 | 412))
                    && error.code() != Some("NoSuchBucket") =>
            {
                Ok(None)
            }
            Err(error) => Err(self.error("PUT", key, &error)),
        }
    }

    /// Removes an object; one that is gone already is no error.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn delete(&self, key: &str) -> Result<(), BucketError> {
        let deleted = self.client.delete_object().bucket(&self.name).key(key).send().await;
        deleted.map(|_| ()).map_err(|error| self.error("DELETE", key, &error))
    }
}
