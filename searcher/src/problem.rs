//! What the searcher answers when it cannot answer.

use axum::http::StatusCode;
pub(crate) use service::http::problem::{Problem, ProblemBody, read_json};
use table::TableError;

/// Nothing is known under this id.
pub(crate) fn no_image(id: &str) -> Problem {
    let id: String = id.chars().take(64).collect();
    Problem::new(StatusCode::NOT_FOUND, format!("no picture with the id '{id}' is indexed"))
}

/// The tables cannot be asked.
pub(crate) fn tables(error: TableError) -> Problem {
    Problem::unavailable("the tables cannot be read", error)
}
