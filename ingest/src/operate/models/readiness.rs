//! Whether a model's table is complete enough to answer searches.

use std::fmt;

use pipeline::depths::QueueDepths;
use pipeline::stage_name::StageName;
use serde::Serialize;
use utoipa::ToSchema;

use crate::parts::IngestParts;
use crate::watch::report;
use crate::watch::watched_table::WatchedTable;

/// How complete a model's table is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// Watched objects in the bucket as of the last full sweep; `null` before the first.
    pub(crate) objects: Option<usize>,
    /// Object versions with a vector.
    pub(crate) indexed: usize,
    /// Known or listed object versions without one.
    pub(crate) missing: usize,
    /// Dead letters of the model's stage: this many may be missing.
    pub(crate) dead: usize,
}

impl Readiness {
    pub(crate) fn is_complete(&self) -> bool {
        self.missing <= self.dead
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { objects, indexed, missing, dead } = self;
        let objects = objects.map_or_else(|| "?".to_owned(), |objects| objects.to_string());
        write!(
            f,
            "{indexed} object versions indexed of {objects} objects in the last sweep, {missing} \
             missing, {dead} of them dead"
        )
    }
}

/// `None` while the model has no table. Reads all ids of its table and of `images`, 16 bytes each.
pub(super) async fn of(parts: &IngestParts, id: &str) -> anyhow::Result<Option<Readiness>> {
    let stage = StageName::embed(id);
    let table = WatchedTable::of_stage(&parts.database, &stage);
    if table.version().await?.is_none() {
        return Ok(None);
    }
    let known = WatchedTable::images(&parts.database).ids(None).await?;
    let vectors = table.ids(None).await?;
    let objects = report::last_full(&parts.state).await?.map(|report| report.objects);
    // While the broker is away no dead letter is known, and every missing row counts.
    let depths = QueueDepths::new(parts.settings.amqp.clone()).depths(&stage).await;
    let dead = depths.ok().and_then(|depths| depths.dead).unwrap_or(0) as usize;
    let unlisted = objects.unwrap_or(0).saturating_sub(vectors.len());
    Ok(Some(Readiness {
        objects,
        indexed: vectors.len(),
        missing: known.not_in(&vectors).max(unlisted),
        dead,
    }))
}
