//! The dead queue as the active ingest keeps it: every failed object in it once, nothing in it that
//! is indexed by now.

use std::collections::HashSet;

use pipeline::connection::AmqpSettings;
use pipeline::dead::{self, Tidied};

use crate::index::Index;
use crate::served::{Served, ServedStages};

/// Clones share what they work with.
#[derive(Clone)]
pub(crate) struct DeadUpkeep {
    amqp: AmqpSettings,
    stages: ServedStages,
    index: Index,
}

impl DeadUpkeep {
    pub(crate) fn new(amqp: AmqpSettings, stages: ServedStages, index: Index) -> Self {
        Self { amqp, stages, index }
    }

    /// Notes which objects lie among the dead letters, so that they are not published again.
    pub(crate) async fn look(&self) -> anyhow::Result<()> {
        for (_, served) in self.stages.iter() {
            let found = dead::peek(&self.amqp, &served.stage).await?;
            let ids = found
                .letters
                .iter()
                .filter_map(|letter| letter.object.as_ref())
                .map(|object| object.image_id());
            served.published.note_dead(ids, found.unseen == 0);
        }
        Ok(())
    }

    /// Merges dead letters of one job, and drops those whose picture has been indexed since. A
    /// crash between publishing a dead letter and acknowledging its job leaves the first kind, a
    /// replay that was doubled leaves the second.
    pub(crate) async fn tidy(&self) -> anyhow::Result<Tidied> {
        let mut all = Tidied::default();
        for (place, served) in self.stages.iter() {
            let tidied = self.tidy_one(place, served).await?;
            all.merged += tidied.merged;
            all.resolved += tidied.resolved;
        }
        Ok(all)
    }

    async fn tidy_one(&self, place: usize, served: &Served) -> anyhow::Result<Tidied> {
        let found = dead::peek(&self.amqp, &served.stage).await?;
        let ids: Vec<_> = found
            .letters
            .iter()
            .filter_map(|letter| letter.object.as_ref())
            .map(|object| object.image_id())
            .collect();
        served.published.note_dead(ids.iter().copied(), found.unseen == 0);
        let distinct: HashSet<_> = ids.iter().collect();
        // Where the row was there when the job was published, it says nothing about the job.
        let once = found.letters.iter().filter(|letter| !letter.asks_again());
        let once: Vec<_> = once
            .filter_map(|letter| letter.object.as_ref())
            .map(|object| object.image_id())
            .collect();
        let indexed: HashSet<_> = self.index.having(place, &once).await?.into_iter().collect();
        if distinct.len() == ids.len() && indexed.is_empty() {
            return Ok(Tidied::default());
        }
        let is_done = |letter: &dead::DeadLetter| {
            !letter.asks_again()
                && letter.object.as_ref().is_some_and(|object| indexed.contains(&object.image_id()))
        };
        let tidied = dead::tidy(&self.amqp, &served.stage, is_done).await?;
        tracing::info!(stage = %served.stage, merged = tidied.merged, resolved = tidied.resolved, "tidied the dead letters");
        Ok(tidied)
    }
}

/// Shows how many jobs are where.
pub(crate) fn measure(stages: &ServedStages) {
    for (_, served) in stages.iter() {
        let counts = served.published.counts();
        for (kind, count) in [
            ("on_their_way", counts.on_their_way),
            ("dead", counts.dead),
            ("withheld", counts.withheld),
        ] {
            metrics::gauge!("bucketlens_ingest_remembered_jobs", "stage" => served.stage.to_string(), "kind" => kind)
                .set(count as f64);
        }
    }
}
