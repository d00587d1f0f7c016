//! Errors that several parts of the searcher answer.

use axum::http::StatusCode;
pub(crate) use service::http::problem::{Problem, ProblemBody, read_json};
use table::TableError;

/// 404: no route has this address.
pub(crate) fn no_such_resource() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such resource")
}

/// 404: no picture with this id is indexed.
pub(crate) fn no_image(id: &str) -> Problem {
    let id: String = id.chars().take(64).collect();
    Problem::new(StatusCode::NOT_FOUND, format!("no picture with the id '{id}' is indexed"))
}

/// 503: the tables cannot be read. A table that another model filled is named, with what to do:
/// trying again would not help.
pub(crate) fn tables(error: TableError) -> Problem {
    if matches!(error, TableError::Mismatch { .. }) {
        tracing::error!(%error, "the tables are not those of the model");
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, error);
    }
    Problem::unavailable("the tables cannot be read", error)
}
