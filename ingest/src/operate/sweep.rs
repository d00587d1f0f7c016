//! Comparing bucket and tables on demand.

use anyhow::Context;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::operations::{OperationEnd, OperationReporter};
use super::refusal::WrongField;
use super::stages;
use super::turn::{self, CommandTurn};
use crate::parts::IngestParts;
use crate::settings::StageSettings;
use crate::watch::report::{SweepReport, SweepRequest};
use crate::watch::schedule::QueuedSweep;

const NOT_ACTIVE: &str = "this ingest is no longer the active one";

/// Checks a request.
///
/// # Errors
/// The settings do not name its stage, or nothing of the stage can be outdated.
pub(crate) fn check(settings: &StageSettings, request: &SweepRequest) -> Result<(), WrongField> {
    let meant = stages::meant(settings, request.stage.as_deref())?;
    if request.outdated && !meant.iter().any(|stage| stage.kind().can_be_outdated()) {
        let problem = "only captions can be outdated: name a captioner in stages.captioners, and \
                       no other stage";
        return Err(WrongField::new("outdated", problem));
    }
    Ok(())
}

/// A sweep by this process, which is the active ingest: it waits for its turn in the schedule.
pub(crate) async fn queue(
    sweeps: mpsc::Sender<QueuedSweep>,
    request: SweepRequest,
    reporter: OperationReporter,
) -> anyhow::Result<OperationEnd> {
    let (progress, mut counts) = watch::channel(SweepReport::default());
    let (done, end) = oneshot::channel();
    let queued = QueuedSweep { request, progress, done, cancel: reporter.cancel.clone() };
    sweeps.send(queued).await.map_err(|_| anyhow::anyhow!(NOT_ACTIVE))?;
    let showing = async {
        while counts.changed().await.is_ok() {
            reporter.progress(json!(*counts.borrow_and_update()));
        }
    };
    let (report, ()) = tokio::join!(end, showing);
    Ok(match report.map_err(|_| anyhow::anyhow!(NOT_ACTIVE))?? {
        Some(report) => OperationEnd::Done(json!(report)),
        None => OperationEnd::Cancelled(Value::Null),
    })
}

/// A sweep for a command: by this process if no ingest is active, else by the active one. Returns
/// its report as JSON. `progress` gets the objects and the published jobs so far.
pub(crate) async fn run(
    parts: IngestParts,
    request: &SweepRequest,
    cancel: &CancellationToken,
    progress: impl Fn(usize, usize),
) -> anyhow::Result<Value> {
    let mut lease = match turn::acquire(&parts).await? {
        CommandTurn::Ours(lease) => lease,
        CommandTurn::Theirs(remote) => {
            let count = |value: &Value, name: &str| value[name].as_u64().unwrap_or(0) as usize;
            let told = |value: &Value| progress(count(value, "objects"), count(value, "published"));
            return remote.run("/v1/ops/sweep", request, cancel, told).await;
        }
    };
    let told = |report: &SweepReport| progress(report.objects, report.published);
    let sweeping = async { turn::active(parts).await?.sweep_once(request, told).await };
    let swept = tokio::select! {
        swept = lease.during(sweeping) => swept.context("another ingest became active meanwhile")?,
        () = cancel.cancelled() => {
            Err(anyhow::anyhow!("stopped; what was published stays published"))
        }
    };
    lease.give_back().await;
    Ok(serde_json::to_value(swept?)?)
}
