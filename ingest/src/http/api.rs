//! What the operators' handlers work with.

use std::sync::Arc;

use pipeline::depths::QueueDepths;
use pipeline::stage_name::StageName;
use tokio::sync::mpsc;

use crate::active::ActiveHandle;
use crate::operate::dead_letters::DeadLetters;
use crate::operate::operations::Operations;
use crate::operate::progress::{ProgressSource, RowRate, StageTable};
use crate::parts::IngestParts;
use crate::upkeep::Upkeep;
use crate::watch::schedule::QueuedSweep;

/// The collaborators of the handlers, shared by all requests.
pub(super) struct OperatorApi {
    pub(super) parts: IngestParts,
    pub(super) queues: Arc<QueueDepths>,
    pub(super) progress: ProgressSource,
    pub(super) rate: RowRate,
    // The stage whose queues show whether the broker answers.
    pub(super) active_stage: StageName,
    pub(super) sweeps: mpsc::Sender<QueuedSweep>,
    pub(super) upkeep: Upkeep,
    pub(super) operations: Operations,
    pub(super) dead_letters: DeadLetters,
}

impl OperatorApi {
    pub(super) fn new(handle: ActiveHandle) -> Self {
        let ActiveHandle { parts, stages, sweeps, upkeep, stop, .. } = handle;
        let queues = Arc::new(QueueDepths::new(parts.settings.amqp.clone()));
        let tables = stages
            .iter()
            .map(|stage| StageTable { stage: stage.name.clone(), table: stage.table.clone() });
        let progress = ProgressSource::new(parts.state.clone(), Arc::clone(&queues), tables);
        Self {
            rate: RowRate::start(progress.clone(), stop.clone()),
            progress,
            queues,
            active_stage: stages.active(),
            sweeps,
            upkeep,
            operations: Operations::new(stop),
            dead_letters: DeadLetters::new(
                &parts.settings,
                parts.bucket.clone(),
                Some(stages.publisher().clone()),
            ),
            parts,
        }
    }
}
