//! Pausing and resuming a stage, and cancelling its backfill.

use std::time::Duration;

use pipeline::connection;
use pipeline::stage_name::StageName;
use pipeline::switch::{self, StageState};
use pipeline::topology::Topology;
use serde::Serialize;
use utoipa::ToSchema;

use super::refusal::WrongField;
use crate::parts::IngestParts;
use crate::settings::StageSettings;

// The active ingest notices a cancelled backfill within this time. The jobs it publishes until then
// are taken off as well.
const NOTICED: Duration = Duration::from_secs(3);

/// A cancelled backfill.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CancelledBackfill {
    /// Jobs taken off the bulk queue. Workers finish those that they have already.
    pub(crate) jobs: u64,
}

/// The stage of this name.
///
/// # Errors
/// It is not among `stages`.
pub(crate) fn named(stages: &[StageName], name: &str) -> Result<StageName, WrongField> {
    let found = stages.iter().find(|stage| stage.as_str() == name).cloned();
    found.ok_or_else(|| {
        let names: Vec<_> = stages.iter().map(StageName::as_str).collect();
        let names = names.join(", ");
        WrongField::new("stage", format!("there is no stage '{name}'; stages are: {names}"))
    })
}

/// The named stage, or all stages that the settings name.
///
/// # Errors
/// The settings do not name the stage.
pub(crate) fn meant(
    settings: &StageSettings,
    name: Option<&str>,
) -> Result<Vec<StageName>, WrongField> {
    let all = settings.all();
    match name {
        Some(name) => Ok(vec![named(&all, name)?]),
        None => Ok(all),
    }
}

/// Lets the workers of a stage finish their jobs and rest, later started ones too.
pub(crate) async fn pause(
    parts: &IngestParts,
    stage: &StageName,
    by: &str,
) -> anyhow::Result<StageState> {
    Ok(switch::pause(&parts.state, stage, by).await?)
}

/// Lets the workers of a stage work again.
pub(crate) async fn resume(
    parts: &IngestParts,
    stage: &StageName,
    by: &str,
) -> anyhow::Result<StageState> {
    Ok(switch::resume(&parts.state, stage, by).await?)
}

/// Empties the bulk queue. Its objects are not published again until `ingest sweep --release`.
pub(crate) async fn cancel(
    parts: &IngestParts,
    stage: &StageName,
) -> anyhow::Result<CancelledBackfill> {
    switch::mark_cancelled(&parts.state, stage).await?;
    tokio::time::sleep(NOTICED).await;
    let amqp = &parts.settings.amqp;
    let connection = connection::connect(amqp, "ingest cancel").await?;
    let jobs = Topology::new(&amqp.namespace).empty_bulk(&connection, stage).await?;
    connection::close(connection).await;
    Ok(CancelledBackfill { jobs: u64::from(jobs) })
}
