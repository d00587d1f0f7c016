//! `/v1/ops/operations`: list, look at, cancel.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use service::http::problem::{Problem, ProblemBody};
use utoipa::ToSchema;

use super::answer::not_found;
use super::api::OperatorApi;
use crate::operate::operations::Operation;

/// Operations, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct OperationList {
    operations: Vec<Operation>,
}

/// The running operations, and the last hundred that ended.
#[utoipa::path(get, path = "/v1/ops/operations", tag = "operations", responses(
    (status = 200, body = OperationList),
))]
pub(super) async fn list(State(api): State<Arc<OperatorApi>>) -> Json<OperationList> {
    Json(OperationList { operations: api.operations.list() })
}

/// One operation: how far it is, or how it ended.
#[utoipa::path(get, path = "/v1/ops/operations/{id}", tag = "operations",
    params(("id" = String, Path, description = "id of the operation")),
    responses(
        (status = 200, body = Operation),
        (status = 404, body = ProblemBody, description = "no such operation is known"),
    ))]
pub(super) async fn show(
    State(api): State<Arc<OperatorApi>>,
    Path(id): Path<String>,
) -> Result<Json<Operation>, Problem> {
    api.operations.get(&id).map(Json).map_err(not_found)
}

/// Tells an operation to stop; what it has done stays done.
#[utoipa::path(delete, path = "/v1/ops/operations/{id}", tag = "operations",
    params(("id" = String, Path, description = "id of the operation")),
    responses(
        (status = 202, body = Operation),
        (status = 404, body = ProblemBody, description = "no such operation is known"),
    ))]
pub(super) async fn cancel(
    State(api): State<Arc<OperatorApi>>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Operation>), Problem> {
    let operation = api.operations.cancel(&id).map_err(not_found)?;
    Ok((StatusCode::ACCEPTED, Json(operation)))
}
