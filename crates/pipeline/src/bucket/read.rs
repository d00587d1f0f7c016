//! Reading: HEAD, GET and listing.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;

use super::client::{Bucket, unquoted};
use super::error::{BucketError, status};
use crate::object::ObjectRef;

/// Result of [`Bucket::get`].
#[derive(Debug)]
pub enum Fetched {
    /// The content the ETag names.
    Object {
        /// All bytes of the object.
        bytes: Bytes,
        /// Time of the last write.
        last_modified: Option<Timestamp>,
    },
    /// There is no object under this key any more.
    Gone,
    /// The object under this key has other content by now.
    Changed,
    /// More bytes than allowed; nothing was downloaded.
    TooLarge {
        /// Size of the object.
        size_bytes: u64,
    },
}

/// One page of a listing, in the store's order (bytes of UTF-8).
#[derive(Debug)]
pub struct Page {
    /// The objects of this page.
    pub objects: Vec<ObjectRef>,
    /// Token of the next page; `None` after the last.
    pub next: Option<String>,
}

/// The body of an answer.
enum DownloadedBody {
    Whole(Bytes),
    /// More bytes than allowed; the size is that of the part that was read.
    TooLarge {
        size_bytes: u64,
    },
}

impl Bucket {
    /// The object under `key` as it is now, `None` if there is none.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn head(&self, key: &str) -> Result<Option<ObjectRef>, BucketError> {
        match self.client.head_object().bucket(&self.name).key(key).send().await {
            Ok(head) => Ok(Some(ObjectRef {
                bucket: self.name.clone(),
                key: key.to_owned(),
                etag: unquoted(head.e_tag().unwrap_or_default()),
                size_bytes: head.content_length().and_then(|size| u64::try_from(size).ok()),
                last_modified: head.last_modified().and_then(timestamp),
            })),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(self.error("HEAD", key, &error)),
        }
    }

    /// Downloads exactly the content that `object.etag` names, unless it is larger than
    /// `max_bytes`.
    ///
    /// # Errors
    /// The store did not answer, refused, or broke off.
    pub async fn get(&self, object: &ObjectRef, max_bytes: u64) -> Result<Fetched, BucketError> {
        let request = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(&object.key)
            .if_match(format!("\"{}\"", object.etag));
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                return match status(&error) {
                    Some(404) if error.code() != Some("NoSuchBucket") => Ok(Fetched::Gone),
                    Some(412) => Ok(Fetched::Changed),
                    _ => Err(self.error("GET", &object.key, &error)),
                };
            }
        };
        // A store that ignores If-Match must not make us index other content under this identity.
        if answer.e_tag().is_some_and(|etag| unquoted(etag) != object.etag) {
            return Ok(Fetched::Changed);
        }
        let size_bytes =
            answer.content_length().and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
        if size_bytes > max_bytes {
            return Ok(Fetched::TooLarge { size_bytes });
        }
        let capacity = usize::try_from(size_bytes).unwrap_or(0);
        let body = self.download(&object.key, &mut answer.body, capacity, max_bytes).await?;
        let bytes = match body {
            DownloadedBody::Whole(bytes) => bytes,
            DownloadedBody::TooLarge { size_bytes } => return Ok(Fetched::TooLarge { size_bytes }),
        };
        let last_modified = answer.last_modified.as_ref().and_then(timestamp);
        Ok(Fetched::Object { bytes, last_modified })
    }

    /// One page (up to 1,000 objects) of the listing under `prefix`; `token` is [`Page::next`] of
    /// the page before.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub async fn list_page(
        &self,
        prefix: &str,
        token: Option<String>,
    ) -> Result<Page, BucketError> {
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .prefix(prefix)
            .set_continuation_token(token);
        let page = request.send().await.map_err(|error| self.error("LIST", prefix, &error))?;
        let next = page.next_continuation_token().map(str::to_owned);
        if page.is_truncated() == Some(true) && next.is_none() {
            return Err(self.broken(
                "LIST",
                prefix,
                "the store says that more follows but gives no continuation token",
            ));
        }
        let objects = page.contents.unwrap_or_default().into_iter().filter_map(|object| {
            Some(ObjectRef {
                bucket: self.name.clone(),
                etag: unquoted(object.e_tag()?),
                size_bytes: object.size().and_then(|size| u64::try_from(size).ok()),
                last_modified: object.last_modified().and_then(timestamp),
                key: object.key?,
            })
        });
        Ok(Page { objects: objects.collect(), next })
    }

    /// The bytes under `key` and their ETag; `None` if there is no object. For the product's own
    /// small objects.
    ///
    /// # Errors
    /// The store did not answer, refused or broke off, or the object is larger than `max_bytes`.
    pub async fn read(
        &self,
        key: &str,
        max_bytes: u64,
    ) -> Result<Option<(Bytes, String)>, BucketError> {
        let mut answer = match self.client.get_object().bucket(&self.name).key(key).send().await {
            Ok(answer) => answer,
            Err(error) if status(&error) == Some(404) && error.code() != Some("NoSuchBucket") => {
                return Ok(None);
            }
            Err(error) => return Err(self.error("GET", key, &error)),
        };
        let etag = unquoted(answer.e_tag().unwrap_or_default());
        match self.download(key, &mut answer.body, 0, max_bytes).await? {
            DownloadedBody::Whole(bytes) => Ok(Some((bytes, etag))),
            DownloadedBody::TooLarge { .. } => {
                Err(self.broken("GET", key, &format!("has more than {max_bytes} bytes")))
            }
        }
    }

    async fn download(
        &self,
        key: &str,
        body: &mut ByteStream,
        capacity: usize,
        max_bytes: u64,
    ) -> Result<DownloadedBody, BucketError> {
        let mut bytes = BytesMut::with_capacity(capacity);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| self.broken("GET", key, &error.to_string()))?;
            let size_bytes = (bytes.len() + chunk.len()) as u64;
            if size_bytes > max_bytes {
                return Ok(DownloadedBody::TooLarge { size_bytes });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(DownloadedBody::Whole(bytes.freeze()))
    }
}

fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::from_nanosecond(time.as_nanos()).ok()
}
