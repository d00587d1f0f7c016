//! Whose turn it is: a command that only the active ingest may run either becomes active itself, or
//! asks the one that is.

use std::time::{Duration, Instant};

use super::remote::Remote;
use crate::active::Active;
use crate::lease::{Attempt, Holder, Lease, LeaseCandidate};
use crate::parts::IngestParts;
use crate::watch::stages::ModelDecisions;

// A lease that is not renewed within this time is abandoned.
const LEASE_PATIENCE: Duration = Duration::from_secs(9);
const POLL: Duration = Duration::from_millis(500);

/// Who runs the command.
pub(super) enum CommandTurn {
    /// This process: it is the active ingest now.
    Ours(Lease),
    /// Another process, which is asked over HTTP.
    Theirs(Remote),
}

/// Becomes the active ingest if there is none. An ingest that renews its lease is alive; the lease
/// of a dead one is waited out.
pub(super) async fn acquire(parts: &IngestParts) -> anyhow::Result<CommandTurn> {
    let mut candidate = LeaseCandidate::new(parts.state.clone(), Holder::new(String::new()));
    let begun = Instant::now();
    let mut first: Option<Holder> = None;
    loop {
        match candidate.attempt().await? {
            Attempt::Taken(lease) => return Ok(CommandTurn::Ours(lease)),
            Attempt::Held(holder) => {
                let renewed = first.as_ref().is_some_and(|first| *first != holder);
                if (renewed && !holder.address.is_empty()) || begun.elapsed() > LEASE_PATIENCE {
                    let Holder { process, address, .. } = &holder;
                    anyhow::ensure!(
                        !address.is_empty(),
                        "another command (process {process}) is at work: try again when it is done"
                    );
                    let key = parts.settings.ops.api_key.clone();
                    return Ok(CommandTurn::Theirs(Remote::new(&holder, key)?));
                }
                first.get_or_insert(holder);
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The collaborators of an active ingest, for a process that is active only for one command.
pub(super) async fn active(parts: IngestParts) -> anyhow::Result<Active> {
    let decisions = pipeline::models::read(&parts.state).await?;
    let decisions: ModelDecisions = tokio::sync::watch::channel(Some(decisions)).1;
    Active::new(parts, decisions)
}
