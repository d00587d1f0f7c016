//! The dead queues in order: each failed object is in them once, and no indexed object is.

use std::collections::HashSet;

use pipeline::connection::AmqpSettings;
use pipeline::dead::{self, DeadLetter, Tidied};

use crate::watch::dead::note_dead_letters;
use crate::watch::stages::{WatchedStage, WatchedStages};

/// Tidies the dead queues. Clones share its collaborators.
#[derive(Clone)]
pub(crate) struct DeadLetterUpkeep {
    amqp: AmqpSettings,
    stages: WatchedStages,
}

impl DeadLetterUpkeep {
    pub(crate) fn new(amqp: AmqpSettings, stages: WatchedStages) -> Self {
        Self { amqp, stages }
    }

    /// Merges dead letters of one job, and drops those whose picture has been indexed since. The
    /// first kind stays behind when a worker crashes between publishing a dead letter and
    /// acknowledging its job, the second when a job is replayed twice.
    pub(crate) async fn tidy(&self) -> anyhow::Result<Tidied> {
        let mut all = Tidied::default();
        for stage in self.stages.iter() {
            let tidied = self.tidy_stage(stage).await?;
            all.merged += tidied.merged;
            all.resolved += tidied.resolved;
        }
        Ok(all)
    }

    async fn tidy_stage(&self, stage: &WatchedStage) -> anyhow::Result<Tidied> {
        let look = note_dead_letters(&self.amqp, stage).await?;
        let id_of = |letter: &DeadLetter| letter.object.as_ref().map(|object| object.image_id());
        let ids: Vec<_> = look.letters.iter().filter_map(id_of).collect();
        let distinct: HashSet<_> = ids.iter().collect();
        // A job that does an existing row again is not resolved by that row.
        let once = look.letters.iter().filter(|letter| !letter.asks_again());
        let once: Vec<_> = once.filter_map(id_of).collect();
        let indexed: HashSet<_> = stage.table.having(&once).await?.into_iter().collect();
        if distinct.len() == ids.len() && indexed.is_empty() {
            return Ok(Tidied::default());
        }
        let is_done = |letter: &DeadLetter| {
            !letter.asks_again() && id_of(letter).is_some_and(|id| indexed.contains(&id))
        };
        let tidied = dead::tidy(&self.amqp, &stage.name, is_done).await?;
        let Tidied { merged, resolved, .. } = tidied;
        tracing::info!(stage = %stage.name, merged, resolved, "tidied the dead letters");
        Ok(tidied)
    }
}
