//! `/v1/ops/health`, `/v1/ops/progress` and `/v1/ops/stages`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use pipeline::switch::StageState;
use serde::Serialize;
use service::http::problem::{Problem, ProblemBody};
use utoipa::ToSchema;

use super::answer::{not_found, within};
use super::api::OperatorApi;
use crate::operate::health::{self, InstallationHealth};
use crate::operate::progress::StageProgress;
use crate::operate::refusal::Unknown;
use crate::operate::schemas::StageStateSchema;
use crate::operate::stages::{self, CancelledBackfill};

const BY: &str = "someone over HTTP";

/// The progress of every stage.
#[derive(Serialize, ToSchema)]
pub(super) struct ProgressAnswer {
    stages: Vec<StageProgress>,
}

/// A stage after it was paused, resumed or cancelled.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum SwitchAnswer {
    Switched(SwitchedStage),
    Cancelled(CancelledBackfill),
}

/// A stage after it was paused or resumed.
#[derive(Serialize, ToSchema)]
pub(super) struct SwitchedStage {
    #[serde(flatten)]
    #[schema(value_type = StageStateSchema)]
    switch: StageState,
}

/// Whether store, broker and sweep are as they should be.
#[utoipa::path(get, path = "/v1/ops/health", tag = "operations", responses(
    (status = 200, body = InstallationHealth),
    (status = 503, body = ProblemBody, description = "the state of the sweep cannot be read"),
))]
pub(super) async fn health(
    State(api): State<Arc<OperatorApi>>,
) -> Result<Json<InstallationHealth>, Problem> {
    let health = health::health(&api.parts, &api.queues, &api.active_stage);
    within("the state of the sweep cannot be read", health).await.map(Json)
}

/// How far each stage is.
#[utoipa::path(get, path = "/v1/ops/progress", tag = "stages", responses(
    (status = 200, body = ProgressAnswer),
    (status = 503, body = ProblemBody, description = "the progress cannot be computed"),
))]
pub(super) async fn progress(
    State(api): State<Arc<OperatorApi>>,
) -> Result<Json<ProgressAnswer>, Problem> {
    let progress = api.progress.progress(api.rate.earlier());
    let stages = within("the progress cannot be computed", progress).await?;
    Ok(Json(ProgressAnswer { stages }))
}

/// Pauses or resumes the workers of a stage, or cancels its backfill.
#[utoipa::path(post, path = "/v1/ops/stages/{stage}/{action}", tag = "stages",
    params(
        ("stage" = String, Path, description = "name of the stage, as in `/v1/ops/progress`"),
        ("action" = String, Path, description = "`pause`, `resume` or `cancel`"),
    ),
    responses(
        (status = 200, body = SwitchAnswer),
        (status = 404, body = ProblemBody, description = "there is no such stage or action"),
        (status = 503, body = ProblemBody, description = "the stage cannot be changed"),
    ))]
pub(super) async fn switch(
    State(api): State<Arc<OperatorApi>>,
    Path((stage, action)): Path<(String, String)>,
) -> Result<Json<SwitchAnswer>, Problem> {
    let parts = &api.parts;
    let stage = stages::named(&parts.settings.stages.all(), &stage).map_err(not_found)?;
    let done = async {
        anyhow::Ok(match action.as_str() {
            "pause" => switched(stages::pause(parts, &stage, BY).await?),
            "resume" => switched(stages::resume(parts, &stage, BY).await?),
            "cancel" => SwitchAnswer::Cancelled(stages::cancel(parts, &stage).await?),
            _ => {
                let detail = "a stage can be paused, resumed and cancelled: pause, resume, cancel";
                return Err(Unknown(detail.to_owned()).into());
            }
        })
    };
    within("the stage cannot be changed", done).await.map(Json)
}

fn switched(switch: StageState) -> SwitchAnswer {
    SwitchAnswer::Switched(SwitchedStage { switch })
}
