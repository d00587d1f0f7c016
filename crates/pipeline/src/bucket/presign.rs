//! Presigned links, with which browsers reach the store directly.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::client::Bucket;
use super::error::BucketError;

/// How the store must answer a link, whatever the object itself says it is.
#[derive(Debug, Clone, Copy)]
pub struct ServedAs<'a> {
    /// Media type of the answer.
    pub media_type: &'a str,
    /// A browser saves the object under its own name instead of showing it.
    pub saves: bool,
}

impl Bucket {
    /// A link with which anyone may download `key` for `lifetime`. `None`: the store answers as the
    /// object was stored. Makes no request.
    ///
    /// # Errors
    /// No credentials to sign with, or a lifetime the protocol does not allow (over 7 days).
    pub async fn presigned_get(
        &self,
        key: &str,
        lifetime: Duration,
        served: Option<ServedAs<'_>>,
    ) -> Result<String, BucketError> {
        let config = PresigningConfig::expires_in(lifetime)
            .map_err(|error| self.broken("presign", key, &error.to_string()))?;
        let name = utf8_percent_encode(key.rsplit('/').next().unwrap_or(key), NON_ALPHANUMERIC);
        let get = self.presigner.get_object().bucket(&self.name).key(key);
        let get = match served {
            Some(ServedAs { media_type, saves }) => {
                let shown = if saves { "attachment" } else { "inline" };
                get.response_content_type(media_type)
                    .response_content_disposition(format!("{shown}; filename*=UTF-8''{name}"))
            }
            None => get,
        };
        let request = get.presigned(config).await;
        request
            .map(|signed| signed.uri().to_owned())
            .map_err(|error| self.error("presign", key, &error))
    }

    /// A link with which anyone may create `key` for `lifetime`, while there is no such object. It
    /// allows exactly this size and type; the request must send `content-type` and
    /// `if-none-match: *`. Makes no request.
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
}
