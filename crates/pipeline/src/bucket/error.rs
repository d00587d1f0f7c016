//! Answers of the store that are errors.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};

use super::client::Bucket;

/// A request to the store failed. Its text names the operation and the key.
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
    /// no such bucket). A single object can give the same answers; [`Bucket::answers`] tells the
    /// two apart.
    pub fn store_may_be_away(&self) -> bool {
        self.store_may_be_away
    }
}

impl Bucket {
    /// The store answered with an error, or not at all.
    pub(super) fn error<E>(
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
                format!("the store answered 404: check that bucket.name '{}' exists", self.name())
            }
            _ => DisplayErrorContext(error).to_string(),
        };
        let store_may_be_away =
            away || matches!(status(error), Some(401 | 403 | 404 | 429 | 500..=599));
        BucketError { store_may_be_away, ..self.broken(operation, key, &reason) }
    }

    /// An answer broke off or makes no sense, or a request could not be built.
    pub(super) fn broken(&self, operation: &'static str, key: &str, reason: &str) -> BucketError {
        BucketError {
            operation,
            target: format!("{}/{key}", self.name()),
            reason: reason.to_owned(),
            store_may_be_away: false,
        }
    }
}

/// HTTP status of an answer; `None` if there was no answer.
pub(crate) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}
