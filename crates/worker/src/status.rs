//! `/v1/status` of a worker.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use service::command_line::VERSION;

/// The route `/v1/status`. It answers with the program's version and, as the field `name`, with the
/// result of `describe`.
pub fn status_router(
    name: &'static str,
    describe: impl Fn() -> Value + Clone + Send + Sync + 'static,
) -> Router {
    let show = move || std::future::ready(Json(json!({ "version": VERSION, name: describe() })));
    Router::new().route("/v1/status", get(show))
}
