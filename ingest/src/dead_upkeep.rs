//! The dead queue as the active ingest keeps it: every failed object in it once, nothing in it that is indexed by now.

use std::collections::HashSet;

use pipeline::connection::AmqpSettings;
use pipeline::dead::{self, Tidied};

use crate::index::Index;
use crate::served::{Served, ServedModels};

/// Clones share what they work with.
#[derive(Clone)]
pub(crate) struct DeadUpkeep {
    amqp: AmqpSettings,
    models: ServedModels,
    index: Index,
}

impl DeadUpkeep {
    pub(crate) fn new(amqp: AmqpSettings, models: ServedModels, index: Index) -> Self {
        Self { amqp, models, index }
    }

    /// Notes which objects lie among the dead letters, so that they are not published again.
    pub(crate) async fn look(&self) -> anyhow::Result<()> {
        for (_, model) in self.models.iter() {
            let found = dead::peek(&self.amqp, &model.stage).await?;
            let ids = found.letters.iter().filter_map(|letter| letter.object.as_ref()).map(|object| object.image_id());
            model.published.note_dead(ids, found.unseen == 0);
        }
        Ok(())
    }

    /// Merges dead letters of one job, and drops those whose picture has been indexed since. A crash between publishing a
    /// dead letter and acknowledging its job leaves the first kind, a replay that was doubled leaves the second.
    pub(crate) async fn tidy(&self) -> anyhow::Result<Tidied> {
        let mut all = Tidied::default();
        for (place, model) in self.models.iter() {
            let tidied = self.tidy_one(place, model).await?;
            all.merged += tidied.merged;
            all.resolved += tidied.resolved;
        }
        Ok(all)
    }

    async fn tidy_one(&self, place: usize, model: &Served) -> anyhow::Result<Tidied> {
        let found = dead::peek(&self.amqp, &model.stage).await?;
        let ids: Vec<_> =
            found.letters.iter().filter_map(|letter| letter.object.as_ref()).map(|object| object.image_id()).collect();
        model.published.note_dead(ids.iter().copied(), found.unseen == 0);
        let distinct: HashSet<_> = ids.iter().collect();
        let indexed: HashSet<_> = self.index.having(place, &ids).await?.into_iter().collect();
        if distinct.len() == ids.len() && indexed.is_empty() {
            return Ok(Tidied::default());
        }
        let is_done =
            |letter: &dead::DeadLetter| letter.object.as_ref().is_some_and(|object| indexed.contains(&object.image_id()));
        let tidied = dead::tidy(&self.amqp, &model.stage, is_done).await?;
        tracing::info!(stage = %model.stage, merged = tidied.merged, resolved = tidied.resolved, "tidied the dead letters");
        Ok(tidied)
    }
}

/// Shows how many jobs are where.
pub(crate) fn measure(models: &ServedModels) {
    for (_, model) in models.iter() {
        let counts = model.published.counts();
        for (kind, count) in [("on_their_way", counts.on_their_way), ("dead", counts.dead), ("withheld", counts.withheld)] {
            metrics::gauge!("bucketlens_ingest_remembered_jobs", "stage" => model.stage.to_string(), "kind" => kind)
                .set(count as f64);
        }
    }
}
