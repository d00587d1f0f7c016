//! `/v1/ops/sweep` and `/v1/ops/maintain`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use service::http::problem::{Problem, ProblemBody};

use super::answer::{accepted, read, wrong_field};
use super::api::OperatorApi;
use crate::operate::operations::Operation;
use crate::operate::{maintain, sweep};
use crate::watch::report::SweepRequest;

const SAME: &str = "does the same";

/// Compares bucket and tables: publishes what is missing, removes what is gone. The operation's
/// progress is the report of the sweep.
#[utoipa::path(post, path = "/v1/ops/sweep", tag = "tables",
    request_body(content = SweepRequest, description = "may be empty: everything"),
    responses(
        (status = 202, body = Operation),
        (status = 400, body = ProblemBody, description = "something is wrong: `field` names it"),
        (status = 409, body = ProblemBody, description = "a sweep runs already"),
    ))]
pub(super) async fn sweep(
    State(api): State<Arc<OperatorApi>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let request: SweepRequest = read(&body)?;
    sweep::check(&api.parts.settings.stages, &request).map_err(wrong_field)?;
    let sweeps = api.sweeps.clone();
    let started = api.operations.start("sweep", "sweep".to_owned(), move |reporter| {
        sweep::queue(sweeps, request, reporter)
    });
    accepted(started, SAME)
}

/// Keeps the tables and dead letters in order: one round over all of them.
#[utoipa::path(post, path = "/v1/ops/maintain", tag = "tables", responses(
    (status = 202, body = Operation),
    (status = 409, body = ProblemBody, description = "a round runs already"),
))]
pub(super) async fn maintain(State(api): State<Arc<OperatorApi>>) -> Result<Response, Problem> {
    let upkeep = api.upkeep.clone();
    let started = api.operations.start("maintain", "maintain".to_owned(), move |reporter| {
        maintain::round(upkeep, reporter)
    });
    accepted(started, SAME)
}
