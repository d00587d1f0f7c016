//! What an operator may do to a stage: pause, resume, cancel its backfill.

use std::time::Duration;

use pipeline::connection::{self, AmqpSettings};
use pipeline::models::Models;
use pipeline::stage_kind::StageKind;
use pipeline::stage_name::StageName;
use pipeline::state::StateStore;
use pipeline::switch::{self, StageState};
use pipeline::topology::Topology;
use serde::Serialize;

use crate::report::Request;
use crate::{Settings, served};

// The active ingest notices a cancelled backfill within this time; what it published until then is
// taken off as well.
const NOTICED: Duration = Duration::from_secs(3);

/// What a cancelled backfill left.
#[derive(Debug, Serialize)]
pub(crate) struct Cancelled {
    /// Jobs taken off the bulk queue. Those that workers have in hand already are finished.
    pub(crate) jobs: u64,
}

/// The stages of the set models and captioners.
pub(crate) fn stages(settings: &Settings) -> Vec<StageName> {
    served::stages(&settings.stages, &Models::default())
}

/// The stage of this name, if it is one of these.
pub(crate) fn stage(stages: &[StageName], name: &str) -> Result<StageName, String> {
    let found = stages.iter().find(|stage| stage.as_str() == name).cloned();
    found.ok_or_else(|| {
        let names: Vec<_> = stages.iter().map(StageName::as_str).collect();
        format!("there is no stage '{name}'; stages are: {}", names.join(", "))
    })
}

/// The stages that are meant: the named one, or all.
pub(crate) fn meant(settings: &Settings, name: Option<&str>) -> Result<Vec<StageName>, String> {
    let all = stages(settings);
    match name {
        Some(name) => Ok(vec![stage(&all, name)?]),
        None => Ok(all),
    }
}

/// Only what was said can be outdated.
pub(crate) fn check(settings: &Settings, request: &Request) -> Result<(), String> {
    let meant = meant(settings, request.stage.as_deref())?;
    if request.outdated && meant.iter().all(|stage| stage.kind() != StageKind::Caption) {
        let problem = "only captions can be outdated: name a captioner in stages.captioners, and no other stage";
        return Err(problem.to_owned());
    }
    Ok(())
}

/// Lets the workers of a stage rest, those that are started later too.
pub(crate) async fn pause(
    state: &StateStore,
    stage: &StageName,
    by: &str,
) -> anyhow::Result<StageState> {
    Ok(switch::pause(state, stage, by).await?)
}

/// Lets them work again.
pub(crate) async fn resume(
    state: &StateStore,
    stage: &StageName,
    by: &str,
) -> anyhow::Result<StageState> {
    Ok(switch::resume(state, stage, by).await?)
}

/// Empties the bulk queue. Its objects are not published again until a sweep is asked for (`ingest
/// sweep --release`).
pub(crate) async fn cancel(
    state: &StateStore,
    amqp: &AmqpSettings,
    stage: &StageName,
) -> anyhow::Result<Cancelled> {
    switch::mark_cancelled(state, stage).await?;
    tokio::time::sleep(NOTICED).await;
    let connection = connection::connect(amqp, "ingest cancel").await?;
    let jobs = Topology::new(&amqp.namespace).empty_bulk(&connection, stage).await?;
    connection::close(connection).await;
    Ok(Cancelled { jobs: u64::from(jobs) })
}
