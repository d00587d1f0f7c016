//! Working for one stage, until the process stops.

use std::sync::Arc;

use pipeline::consume::Subscription;
use pipeline::publish::Publisher;
use pipeline::settle::Settler;
use pipeline::stage::Stage;
use pipeline::stage_name::StageName;
use pipeline::switch::Switch;
use pipeline::topology::Topology;
use pipeline::worker::{self, FetchSettings, HALT_HOLD, WorkerParts};
use service::health::Health;
use service::process;
use table::TableError;
use tokio_util::sync::CancellationToken;

use crate::process::WorkerProcess;
use crate::removal;

/// Which stage a process works for.
#[derive(Debug)]
pub struct Assignment {
    /// The stage.
    pub stage: StageName,
    /// How many stages share what the process may fetch at once: one that cannot work must not hold
    /// what another needs.
    pub sharing: usize,
    /// Where the state of this stage shows.
    pub health: Health,
}

impl WorkerProcess {
    /// Works for a stage until shutdown; rests while an operator has removed it. `open` opens the
    /// tables and makes the stage, each time the work begins. The models must be warm by now: what is
    /// delivered counts as begun.
    ///
    /// # Errors
    /// The tables are not what they must be, or the worker hit a defect.
    pub async fn serve<S, F>(
        &self,
        assignment: &Assignment,
        open: impl Fn() -> F,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()>
    where
        S: Stage,
        F: Future<Output = Result<S, TableError>>,
    {
        let Assignment { stage, health, .. } = assignment;
        while removal::kept(self.decided.clone(), stage, health, shutdown).await {
            let may_pass = TableError::may_pass;
            let opened = process::until_works(&self.health, "store", shutdown, may_pass, &open);
            let Some(meaning) = opened.await? else { return Ok(()) };
            let working = shutdown.child_token();
            let ending =
                removal::end_when_removed(self.decided.clone(), stage.clone(), working.clone());
            let ending = tokio::spawn(ending);
            let worked = worker::run(self.parts(assignment, meaning, working)).await;
            ending.abort();
            worked?;
        }
        Ok(())
    }

    fn parts<S>(
        &self,
        assignment: &Assignment,
        meaning: S,
        shutdown: CancellationToken,
    ) -> WorkerParts<S> {
        let Assignment { stage, sharing, health } = assignment;
        let (amqp, fetch) = (&self.settings.amqp, &self.settings.fetch);
        let name = format!("{} {} {stage}", stage.kind().worker(), self.name);
        let publisher =
            Publisher::start(amqp.clone(), name.clone(), vec![stage.clone()], health.clone());
        let (topology, model) = (Topology::new(&amqp.namespace), stage.id().to_owned());
        WorkerParts {
            stage: meaning,
            bucket: self.bucket.clone(),
            subscription: Subscription { amqp: amqp.clone(), name, stage: stage.clone() },
            settler: Settler::new(publisher, topology, stage.clone(), self.name.clone(), model),
            switch: Switch::start(self.state.clone(), stage.clone()),
            batch: self.settings.batch.clone(),
            fetch: FetchSettings {
                concurrency: (fetch.concurrency / sharing).max(1),
                ..fetch.clone()
            },
            decoders: Arc::clone(&self.decoders),
            halt_hold: HALT_HOLD,
            health: health.clone(),
            shutdown,
        }
    }
}
