//! The store's answer to one small request.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::{BoxError, ProvideErrorMetadata};
use jiff::Timestamp;

use crate::bucket::{Bucket, status};

/// The store's answer to a listing of one key.
#[derive(Debug, Clone)]
pub struct StoreAnswer {
    /// HTTP status; `None` if there was no answer at all.
    pub status: Option<u16>,
    /// The store's error code, as `SignatureDoesNotMatch`.
    pub code: Option<String>,
    /// Why there was no answer, or no success.
    pub problem: Option<String>,
    /// The store's clock.
    pub date: Option<Timestamp>,
}

impl Bucket {
    /// Lists one key and returns the store's answer.
    pub async fn ask(&self) -> StoreAnswer {
        let date = DateReader::default();
        let list = self
            .client
            .list_objects_v2()
            .bucket(self.name())
            .max_keys(1)
            .customize()
            .interceptor(date.clone());
        let answer = list.send().await;
        let date = *date.0.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(_) => StoreAnswer { status: Some(200), code: None, problem: None, date },
            Err(error) => StoreAnswer {
                status: status(&error),
                code: error.code().map(str::to_owned),
                problem: Some(chain(&error)),
                date,
            },
        }
    }
}

/// An error and its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        source = error.source();
    }
    text
}

/// Reads the `Date` of an answer, whatever its status.
#[derive(Debug, Clone, Default)]
struct DateReader(Arc<Mutex<Option<Timestamp>>>);

impl Intercept for DateReader {
    fn name(&self) -> &'static str {
        "date"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date =
            date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}
