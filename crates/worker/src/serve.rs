//! Working for one stage until the process stops.

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

/// A stage that a process works for.
#[derive(Debug)]
pub struct Assignment {
    /// The stage.
    pub stage: StageName,
    /// How many stages the process works for. Each gets an equal share of the downloads
    /// (a bulkhead), so that a stage that cannot work does not stop the others.
    pub sharing: usize,
    /// The conditions of this stage.
    pub health: Health,
}

impl WorkerProcess {
    /// Works for a stage until shutdown, and rests while an operator has removed it. `open` opens
    /// the tables and makes the stage each time the work begins. The models must be loaded before
    /// this is called, because the broker counts every delivered job as begun.
    ///
    /// # Errors
    /// A table has other columns or another space, or the worker loop ended with an error.
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
        while removal::wait_while_removed(self.models.clone(), stage, health, shutdown).await {
            let may_pass = TableError::may_pass;
            let opened = process::until_works(&self.health, "store", shutdown, may_pass, &open);
            let Some(implementation) = opened.await? else { return Ok(()) };
            let working = shutdown.child_token();
            let watching = tokio::spawn(removal::cancel_when_removed(
                self.models.clone(),
                stage.clone(),
                working.clone(),
            ));
            let worked = worker::run(self.parts(assignment, implementation, working)).await;
            watching.abort();
            worked?;
        }
        Ok(())
    }

    fn parts<S>(
        &self,
        assignment: &Assignment,
        implementation: S,
        shutdown: CancellationToken,
    ) -> WorkerParts<S> {
        let Assignment { stage, sharing, health } = assignment;
        let (amqp, fetch) = (&self.settings.amqp, &self.settings.fetch);
        let name = format!("{} {} {stage}", stage.kind().worker(), self.name);
        let publisher =
            Publisher::start(amqp.clone(), name.clone(), vec![stage.clone()], health.clone());
        let (topology, model) = (Topology::new(&amqp.namespace), stage.id().to_owned());
        WorkerParts {
            stage: implementation,
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
