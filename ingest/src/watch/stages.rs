//! The stages that ingest publishes jobs for. Each [`WatchedStage`] owns everything that is kept
//! for its stage.

use std::sync::Arc;
use std::time::Duration;

use pipeline::depths::QueueDepths;
use pipeline::models::Models;
use pipeline::publish::Publisher;
use pipeline::stage_name::StageName;
use pipeline::topology::Topology;
use tokio::sync::watch;

use super::backpressure::StageQueues;
use super::journal::Journal;
use super::published::Published;
use super::watched_table::WatchedTable;
use crate::parts::IngestParts;

/// What operators have decided about models; `None` until it could be read for the first time.
pub(crate) type ModelDecisions = watch::Receiver<Option<Models>>;

/// One stage. Clones share its state.
#[derive(Clone)]
pub(crate) struct WatchedStage {
    pub(crate) name: StageName,
    /// The table that its workers fill.
    pub(crate) table: WatchedTable,
    /// The jobs that are on their way to its workers.
    pub(crate) published: Published,
    /// How full its queues are.
    pub(crate) queues: StageQueues,
}

/// All watched stages, in the order of the settings. Clones share them.
#[derive(Clone)]
pub(crate) struct WatchedStages {
    all: Arc<[WatchedStage]>,
    publisher: Publisher,
    default_active: StageName,
    decisions: ModelDecisions,
}

impl WatchedStages {
    /// The stages that the settings name, without the removed ones. Starts watching their queues.
    ///
    /// # Errors
    /// No stage is left whose table answers searches.
    pub(crate) fn start(parts: &IngestParts, decisions: ModelDecisions) -> anyhow::Result<Self> {
        let settings = &parts.settings;
        let names = settings.stages.kept(&decisions.borrow().clone().unwrap_or_default());
        let answering = names.iter().find(|name| name.kind().answers_searches()).cloned();
        let default_active = answering.ok_or_else(|| {
            anyhow::anyhow!(
                "every model of stages.models is being removed: keep one with \
                 `ingest models keep ID`"
            )
        })?;
        let publisher = Publisher::start(
            settings.amqp.clone(),
            format!("ingest {}", std::process::id()),
            names.clone(),
            parts.health.clone(),
        );
        let topology = Topology::new(&settings.amqp.namespace);
        let depths = Arc::new(QueueDepths::new(settings.amqp.clone()));
        let stage = |name: StageName| WatchedStage {
            table: WatchedTable::of_stage(&parts.database, &name),
            published: Published::new(
                publisher.clone(),
                topology.clone(),
                name.clone(),
                Journal::new(parts.state.clone(), &name),
            ),
            queues: StageQueues::start(&depths, name.clone(), settings.backpressure),
            name,
        };
        let all = names.into_iter().map(stage).collect();
        Ok(Self { all, publisher, default_active, decisions })
    }

    /// What publishes their jobs.
    pub(crate) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// In the order of the settings.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &WatchedStage> + Clone {
        self.all.iter()
    }

    /// Their tables.
    pub(crate) fn tables(&self) -> Vec<WatchedTable> {
        self.iter().map(|stage| stage.table.clone()).collect()
    }

    /// The stage of the model that answers searches. If ingest does not watch that one, the first
    /// stage that could answer searches.
    pub(crate) fn active(&self) -> StageName {
        let decisions = self.decisions.borrow();
        let activated = decisions.as_ref().and_then(|decisions| decisions.active.as_deref());
        activated
            .map(StageName::embed)
            .filter(|active| self.iter().any(|stage| stage.name == *active))
            .unwrap_or_else(|| self.default_active.clone())
    }

    /// Whether only dead letters have waited in any queue for this long.
    pub(crate) fn idle_for(&self, time: Duration) -> bool {
        self.iter().all(|stage| stage.queues.idle_for(time))
    }

    /// Writes every journal about once a second. Runs until dropped.
    pub(crate) async fn flush_often(&self) {
        let journals = self.iter().map(|stage| stage.published.journal().flush_often());
        futures::future::join_all(journals).await;
    }

    /// Shows how many jobs of each stage are where.
    pub(crate) fn show_counts(&self) {
        for stage in self.iter() {
            let counts = stage.published.counts();
            for (kind, count) in [
                ("on_their_way", counts.on_their_way),
                ("dead", counts.dead),
                ("withheld", counts.withheld),
            ] {
                let stage = stage.name.to_string();
                metrics::gauge!(
                    "bucketlens_ingest_remembered_jobs", "stage" => stage, "kind" => kind
                )
                .set(count as f64);
            }
        }
    }
}
