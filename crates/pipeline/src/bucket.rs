//! The bucket with the originals. `aws-sdk-s3` is used only here and, for listening, in `listen`.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::object::ObjectRef;
use service::SettingsError;

/// `[bucket]`: where the pictures lie and how to reach them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketSettings {
    /// Bucket name.
    pub name: String,
    /// Store address; empty means Amazon S3.
    pub endpoint: String,
    /// Store address as browsers see it; empty means [`Self::endpoint`].
    pub public_endpoint: String,
    /// Region name.
    pub region: String,
    /// Access key; empty means the AWS default chain.
    pub access_key_id: String,
    /// Secret key.
    pub secret_access_key: SecretString,
    /// Bucket name in the path instead of in the host name.
    pub path_style: bool,
    /// Key prefix of the product's own objects.
    pub own_prefix: String,
    /// Limit of one attempt of one request.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl BucketSettings {
    /// Checks names and addresses.
    ///
    /// # Errors
    /// The first key that cannot be used.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if self.name.is_empty() {
            return Err(SettingsError::value(
                "bucket.name",
                "is required: the bucket with the pictures",
            ));
        }
        for (key, address) in
            [("bucket.endpoint", &self.endpoint), ("bucket.public_endpoint", &self.public_endpoint)]
        {
            if !address.is_empty()
                && !url::Url::parse(address)
                    .is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
            {
                return Err(SettingsError::value(
                    key,
                    format!("'{address}' is not an http:// or https:// address"),
                ));
            }
        }
        if self.own_prefix.len() < 2
            || !self.own_prefix.ends_with('/')
            || self.own_prefix.starts_with('/')
        {
            return Err(SettingsError::value(
                "bucket.own_prefix",
                "must be a key prefix that ends with '/'",
            ));
        }
        if self.access_key_id.is_empty() != self.secret_access_key.expose_secret().is_empty() {
            return Err(SettingsError::value(
                "bucket.access_key_id",
                "and bucket.secret_access_key go together",
            ));
        }
        Ok(())
    }

    /// Where the tables lie: `s3://BUCKET/PREFIX/tables`.
    pub fn tables_uri(&self) -> String {
        format!("s3://{}/{}tables", self.name, self.own_prefix)
    }

    /// The same access in the `aws_*` words of object-store libraries.
    pub fn storage_options(&self) -> Vec<(String, String)> {
        let mut options = vec![
            ("aws_region", self.region.clone()),
            ("aws_virtual_hosted_style_request", (!self.path_style).to_string()),
            ("timeout", format!("{}s", self.timeout.as_secs().max(1))),
        ];
        if !self.endpoint.is_empty() {
            options.push(("aws_endpoint", self.endpoint.clone()));
            options.push(("allow_http", self.endpoint.starts_with("http://").to_string()));
        }
        if !self.access_key_id.is_empty() {
            options.push(("aws_access_key_id", self.access_key_id.clone()));
            options
                .push(("aws_secret_access_key", self.secret_access_key.expose_secret().to_owned()));
        }
        options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// A request to the store failed. Says which operation on which key.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {target}: {reason}")]
pub struct BucketError {
    operation: &'static str,
    target: String,
    reason: String,
    store_may_be_away: bool,
}

impl BucketError {
    /// Whether the store as a whole may be out of reach (no connection, no permission, overloaded,
    /// no such bucket). The same answers are given for a single object too; [`Bucket::answers`]
    /// tells which it is.
    pub fn store_may_be_away(&self) -> bool {
        self.store_may_be_away
    }
}

/// What a size-capped, content-pinned GET found.
#[derive(Debug)]
pub enum Fetched {
    /// The content the ETag names.
    Object {
        /// All bytes of the object.
        bytes: Bytes,
        /// Time of the last write.
        last_modified: Option<Timestamp>,
    },
    /// Nothing lies under this key any more.
    Gone,
    /// Other content lies under this key by now.
    Changed,
    /// More bytes than allowed; nothing was downloaded.
    TooLarge {
        /// Size of the object.
        size_bytes: u64,
    },
}

/// When [`Bucket::write`] may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Only {
    /// In any case.
    Always,
    /// Nothing lies under the key.
    IfAbsent,
    /// What lies there has this ETag.
    IfStill(String),
}

/// One page of a listing, in the store's order (bytes of UTF-8).
#[derive(Debug)]
pub struct Page {
    /// The objects of this page.
    pub objects: Vec<ObjectRef>,
    /// Token of the next page; `None` after the last.
    pub next: Option<String>,
}

/// Handle to the bucket; clones share one HTTP client.
#[derive(Debug, Clone)]
pub struct Bucket {
    name: String,
    pub(crate) client: Client,
    presigner: Client,
}

impl Bucket {
    /// Builds the client. Makes no request.
    pub async fn connect(settings: &BucketSettings) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .operation_attempt_timeout(settings.timeout)
                    .build(),
            );
        if !settings.access_key_id.is_empty() {
            let secret = settings.secret_access_key.expose_secret();
            loader = loader.credentials_provider(Credentials::new(
                &settings.access_key_id,
                secret,
                None,
                None,
                "settings",
            ));
        }
        let shared = loader.load().await;
        let client = |endpoint: &str| {
            let mut builder = aws_sdk_s3::config::Builder::from(&shared)
                .force_path_style(settings.path_style)
                // Many compatible stores know nothing of the newer default checksums.
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
            if !endpoint.is_empty() {
                builder = builder.endpoint_url(endpoint);
            }
            Client::from_conf(builder.build())
        };
        let public = if settings.public_endpoint.is_empty() {
            &settings.endpoint
        } else {
            &settings.public_endpoint
        };
        Self {
            name: settings.name.clone(),
            client: client(&settings.endpoint),
            presigner: client(public),
        }
    }

    /// Name of the bucket.
    pub fn name(&self) -> &str {
        &self.name
    }

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

    /// Whether the store lists the bucket at all.
    pub async fn answers(&self) -> bool {
        self.client.list_objects_v2().bucket(&self.name).max_keys(1).send().await.is_ok()
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
        // A store that ignores If-Match still must not make us index other content under this
        // identity.
        if answer.e_tag().is_some_and(|etag| unquoted(etag) != object.etag) {
            return Ok(Fetched::Changed);
        }
        let size_bytes =
            answer.content_length().and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
        if size_bytes > max_bytes {
            return Ok(Fetched::TooLarge { size_bytes });
        }
        let mut bytes = BytesMut::with_capacity(usize::try_from(size_bytes).unwrap_or(0));
        while let Some(chunk) = answer.body.next().await {
            let chunk =
                chunk.map_err(|error| self.broken("GET", &object.key, &error.to_string()))?;
            if (bytes.len() + chunk.len()) as u64 > max_bytes {
                return Ok(Fetched::TooLarge { size_bytes: (bytes.len() + chunk.len()) as u64 });
            }
            bytes.extend_from_slice(&chunk);
        }
        let last_modified = answer.last_modified.as_ref().and_then(timestamp);
        Ok(Fetched::Object { bytes: bytes.freeze(), last_modified })
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
        let mut bytes = BytesMut::new();
        while let Some(chunk) = answer.body.next().await {
            let chunk = chunk.map_err(|error| self.broken("GET", key, &error.to_string()))?;
            if (bytes.len() + chunk.len()) as u64 > max_bytes {
                return Err(self.broken("GET", key, &format!("has more than {max_bytes} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some((bytes.freeze(), etag)))
    }

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
            // 404: what had to be replaced is gone. 409: another write is under way.
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

    /// A link with which anyone may download `key` for `lifetime`; a browser saves it under its own
    /// name instead of showing it where `saves` says so. Makes no request.
    ///
    /// # Errors
    /// No credentials to sign with, or a lifetime the protocol does not allow (over 7 days).
    pub async fn presigned_get(
        &self,
        key: &str,
        lifetime: Duration,
        saves: bool,
    ) -> Result<String, BucketError> {
        let config = PresigningConfig::expires_in(lifetime)
            .map_err(|error| self.broken("presign", key, &error.to_string()))?;
        let name = utf8_percent_encode(key.rsplit('/').next().unwrap_or(key), NON_ALPHANUMERIC);
        let get = self.presigner.get_object().bucket(&self.name).key(key);
        let get = get.set_response_content_disposition(
            saves.then(|| format!("attachment; filename*=UTF-8''{name}")),
        );
        let request = get.presigned(config).await;
        request
            .map(|signed| signed.uri().to_owned())
            .map_err(|error| self.error("presign", key, &error))
    }

    /// A link with which anyone may write `key` for `lifetime`: so many bytes of this type, sent
    /// with `content-type` and `if-none-match: *`, and only while there is no such object. Makes no
    /// request.
    ///
    /// # Errors
    /// No credentials to sign with, or a lifetime the protocol does not allow (over 7 days).
    pub async fn presigned_put(
        &self,
        key: &str,
        content_type: &str,
        size_bytes: u64,
        lifetime: Duration,
    ) -> Result<String, BucketError> {
        let broken =
            |error: &dyn std::fmt::Display| self.broken("presign", key, &error.to_string());
        let config = PresigningConfig::expires_in(lifetime).map_err(|error| broken(&error))?;
        let length = i64::try_from(size_bytes).map_err(|error| broken(&error))?;
        let put = self
            .presigner
            .put_object()
            .bucket(&self.name)
            .key(key)
            .content_type(content_type)
            .content_length(length);
        let request = put.if_none_match("*").presigned(config).await;
        request
            .map(|signed| signed.uri().to_owned())
            .map_err(|error| self.error("presign", key, &error))
    }

    fn error<E>(
        &self,
        operation: &'static str,
        key: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> BucketError
    where
        E: std::error::Error + 'static,
    {
        let away = matches!(error, SdkError::DispatchFailure(_) | SdkError::TimeoutError(_));
        let reason = match status(error) {
            Some(403) => {
                "the store refused (403): check bucket.access_key_id and what it may do".to_owned()
            }
            Some(404) => {
                format!("the store answered 404: check that bucket.name '{}' exists", self.name)
            }
            _ => DisplayErrorContext(error).to_string(),
        };
        let store_may_be_away =
            away || matches!(status(error), Some(401 | 403 | 404 | 429 | 500..=599));
        BucketError { store_may_be_away, ..self.broken(operation, key, &reason) }
    }

    fn broken(&self, operation: &'static str, key: &str, reason: &str) -> BucketError {
        BucketError {
            operation,
            target: format!("{}/{key}", self.name),
            reason: reason.to_owned(),
            store_may_be_away: false,
        }
    }
}

pub(crate) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

fn timestamp(time: &aws_sdk_s3::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::from_nanosecond(time.as_nanos()).ok()
}
