//! Maintenance on demand.

use anyhow::Context;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::operations::{OperationEnd, OperationReporter};
use super::turn::{self, CommandTurn};
use crate::parts::IngestParts;
use crate::upkeep::Upkeep;
use crate::upkeep::tables::TableScope;

/// A round by this process, which is the active ingest.
pub(crate) async fn round(
    upkeep: Upkeep,
    reporter: OperationReporter,
) -> anyhow::Result<OperationEnd> {
    tokio::select! {
        round = upkeep.run(TableScope::All) => Ok(OperationEnd::Done(json!(round))),
        () = reporter.cancel.cancelled() => Ok(OperationEnd::Cancelled(Value::Null)),
    }
}

/// A round for a command: by this process if no ingest is active, else by the active one. Returns
/// its report as JSON.
pub(crate) async fn run(parts: IngestParts, cancel: &CancellationToken) -> anyhow::Result<Value> {
    let mut lease = match turn::acquire(&parts).await? {
        CommandTurn::Ours(lease) => lease,
        CommandTurn::Theirs(remote) => {
            return remote.run("/v1/ops/maintain", &json!({}), cancel, |_| {}).await;
        }
    };
    let maintaining = async {
        let active = turn::active(parts).await?;
        anyhow::Ok(active.upkeep().run(TableScope::All).await)
    };
    let round = lease.during(maintaining).await.context("another ingest became active meanwhile");
    lease.give_back().await;
    Ok(serde_json::to_value(round??)?)
}
