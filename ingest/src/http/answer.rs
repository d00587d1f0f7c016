//! What handlers have in common: reading a body, waiting for an action, and answering its failure.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use service::http::problem::{Problem, read_json};

use crate::operate::operations::Operation;
use crate::operate::refusal::{Refused, Unknown, WrongField};

// Operators get an answer even while bucket or broker give none.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Waits for an action, with a limit. `what` says what it failed to do.
pub(super) async fn within<T>(
    what: &str,
    work: impl Future<Output = anyhow::Result<T>>,
) -> Result<T, Problem> {
    match tokio::time::timeout(TIMEOUT, work).await {
        Ok(done) => done.map_err(|error| failed(what, error)),
        Err(_) => Err(Problem::unavailable(what, "no answer in time")),
    }
}

/// The answer to a failed action: 409 and 404 for an operator's mistake, else 503.
pub(super) fn failed(what: &str, error: anyhow::Error) -> Problem {
    let error = match error.downcast::<Refused>() {
        Ok(refused) => return Problem::new(StatusCode::CONFLICT, refused),
        Err(error) => error,
    };
    let error = match error.downcast::<WrongField>() {
        Ok(wrong) => return wrong_field(wrong),
        Err(error) => error,
    };
    match error.downcast::<Unknown>() {
        Ok(unknown) => not_found(unknown),
        Err(error) => Problem::unavailable(what, format!("{error:#}")),
    }
}

pub(super) fn wrong_field(WrongField { field, problem }: WrongField) -> Problem {
    Problem::field(field, problem)
}

pub(super) fn not_found(what: impl ToString) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, what)
}

/// 202 and the operation, or 409 and the operation that is in the way; `in_the_way` says what that
/// one does.
pub(super) fn accepted(
    started: Result<Operation, Box<Operation>>,
    in_the_way: &str,
) -> Result<Response, Problem> {
    match started {
        Ok(operation) => Ok((StatusCode::ACCEPTED, Json(operation)).into_response()),
        Err(running) => {
            let id = running.id;
            let detail = format!("operation {id} {in_the_way}: wait for its end or cancel it");
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
    }
}

/// Reads a JSON body; an empty one stands for the default.
pub(super) fn read<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return Ok(T::default());
    }
    read_json(body, "")
}
