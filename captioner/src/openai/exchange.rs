//! One request and its answer, told apart by what to do about it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response};
use serde_json::json;

use super::completion::{self, Written};
use super::refusal::{refusal, said, shortened};
use super::settings::OpenAiSettings;

/// Most of an error's body that is read: a longer one is not repeated at all.
const MOST_ERROR_BYTES: usize = 64 << 10;

/// How a request ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Answered(Written),
    /// An answer that is no chat completion.
    Garbled(String),
    /// Too many requests, or too many for now; the pause the endpoint asks for.
    Throttled(String, Option<Duration>),
    /// Not reached, too slow, or failing by itself; the pause it asks for.
    Unavailable(String, Option<Duration>),
    /// No request will fare better until somebody changes something: what is wrong and what to do.
    Refused(String),
    /// This picture is not taken.
    PictureRefused(String),
}

impl Outcome {
    /// For the metric.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Outcome::Answered(_) => "answered",
            Outcome::Garbled(_) => "garbled",
            Outcome::Throttled(..) => "throttled",
            Outcome::Unavailable(..) => "unavailable",
            Outcome::Refused(_) => "refused",
            Outcome::PictureRefused(_) => "picture_refused",
        }
    }
}

/// The body of a request for one picture.
pub(super) fn body(settings: &OpenAiSettings, prompt: &str, jpeg: &[u8]) -> Bytes {
    let picture = format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg));
    let mut body = json!({
        "model": settings.model,
        "messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": picture}},
            {"type": "text", "text": prompt},
        ]}],
        "stream": false,
    });
    if settings.max_tokens > 0 {
        body["max_tokens"] = settings.max_tokens.into();
    }
    if settings.json {
        body["response_format"] = json!({"type": "json_object"});
    }
    body.to_string().into()
}

/// Sends a request and reads its answer, at most `most` bytes of it.
pub(super) async fn ask(
    client: &Client,
    url: &str,
    headers: HeaderMap,
    body: Bytes,
    most: usize,
) -> Outcome {
    let request =
        client.post(url).headers(headers).header(CONTENT_TYPE, "application/json").body(body);
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => return Outcome::Unavailable(reason(&error), None),
    };
    let status = answer.status();
    if !status.is_success() {
        let pause = asked_pause(&answer);
        let moved = answer.headers().contains_key(LOCATION);
        let said = said(&read(answer, MOST_ERROR_BYTES).await.unwrap_or_default());
        return refusal(status, moved, said, pause);
    }
    match read(answer, most).await {
        Ok(body) => completion::written(&body)
            .map_or_else(|error| Outcome::Garbled(shortened(&error)), Outcome::Answered),
        Err(ReadError::TooLong) => {
            Outcome::Garbled(format!("it is longer than {most} bytes (openai.max_answer_bytes)"))
        }
        Err(ReadError::Broken(reason)) => Outcome::Unavailable(reason, None),
    }
}

enum ReadError {
    TooLong,
    Broken(String),
}

async fn read(mut answer: Response, most: usize) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    while let Some(chunk) =
        answer.chunk().await.map_err(|error| ReadError::Broken(reason(&error)))?
    {
        if bytes.len() + chunk.len() > most {
            return Err(ReadError::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The innermost cause: the outer ones only repeat the address.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return String::from("it does not answer in time (openai.timeout)");
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    format!("it cannot be reached: {cause}")
}

fn asked_pause(answer: &Response) -> Option<Duration> {
    let seconds: f64 = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
