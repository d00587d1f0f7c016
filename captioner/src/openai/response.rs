//! What comes back from the endpoint, read within limits and turned into an outcome.

use reqwest::Response;
use reqwest::header::LOCATION;
use service::http::client::{retry_after, root_cause};

use super::completion;
use super::http_error::{HttpError, readable, shortened};
use super::outcome::ExchangeOutcome;

/// Largest body of an error that is read. A larger one is not repeated at all.
const MOST_ERROR_BYTES: usize = 64 << 10;

/// Reads a response, at most `most` bytes of it. `schema`: the request asked for a JSON schema.
pub(super) async fn outcome(response: Response, most: usize, schema: bool) -> ExchangeOutcome {
    let status = response.status();
    if !status.is_success() {
        let moved = response.headers().contains_key(LOCATION);
        let pause = retry_after(response.headers());
        let message = readable(&read_body(response, MOST_ERROR_BYTES).await.unwrap_or_default());
        return HttpError { status, moved, message, pause, schema }.outcome();
    }
    match read_body(response, most).await {
        Ok(body) => completion::parse(&body).map_or_else(
            |error| ExchangeOutcome::Garbled(shortened(&error)),
            ExchangeOutcome::Answered,
        ),
        Err(BodyError::TooLong) => ExchangeOutcome::Garbled(format!(
            "it is longer than {most} bytes (openai.max_answer_bytes)"
        )),
        Err(BodyError::Broken(reason)) => ExchangeOutcome::Unavailable(reason, None),
    }
}

enum BodyError {
    TooLong,
    Broken(String),
}

async fn read_body(mut response: Response, most: usize) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|error| BodyError::Broken(reason(&error)))?
    {
        if bytes.len() + chunk.len() > most {
            return Err(BodyError::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Why a request failed: the innermost cause, because the outer ones only repeat the address.
pub(super) fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return String::from("it does not answer in time (openai.timeout)");
    }
    format!("it cannot be reached: {}", root_cause(error))
}
