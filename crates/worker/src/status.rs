//! `/v1/status` of a worker.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use service::command_line::VERSION;

/// Answers `/v1/status` with the program's version and, below `name`, what `tell` says of its models.
pub fn router(
    name: &'static str,
    tell: impl Fn() -> Value + Clone + Send + Sync + 'static,
) -> Router {
    let show = move || std::future::ready(Json(json!({ "version": VERSION, name: tell() })));
    Router::new().route("/v1/status", get(show))
}
