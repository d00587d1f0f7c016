//! Whether a model's table holds what searches are answered from now.

use std::fmt;

use pipeline::depths::QueueDepths;
use pipeline::stage_name::StageName;
use serde::Serialize;
use table::ledger::Ledger;
use table::{embeddings, images};

use crate::active::{Parts, SWEEP_STATE};
use crate::index;
use crate::report::Report;

/// What a table holds and lacks.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Readiness {
    /// Watched objects in the bucket as of the last full sweep; `None` before the first.
    pub(crate) objects: Option<usize>,
    /// Object versions that have their vector.
    pub(crate) indexed: usize,
    /// Object versions that are known, or were listed, and have none.
    pub(crate) missing: usize,
    /// Dead letters of the model's stage: so many may be missing.
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
            "{indexed} object versions indexed of {objects} objects in the last sweep, {missing} missing, {dead} of them dead"
        )
    }
}

/// Reads all ids of the model's table and of `images`: 16 bytes each. `None`: the model has no
/// table.
pub(super) async fn of(parts: &Parts, id: &str) -> anyhow::Result<Option<Readiness>> {
    let Some(table) = Ledger::open(&parts.database, &embeddings::name(id)).await? else {
        return Ok(None);
    };
    let images = Ledger::open(&parts.database, images::NAME).await?;
    let known = index::ids(images.as_ref(), None).await?;
    let vectors = index::ids(Some(&table), None).await?;
    let objects = parts.state.get::<Report>(SWEEP_STATE).await?.map(|(sweep, _)| sweep.objects);
    // A broker that is away knows no dead letters, and what is missing then counts.
    let depths = QueueDepths::new(parts.settings.amqp.clone()).depths(&StageName::embed(id)).await;
    let dead = depths.ok().and_then(|depths| depths.dead).unwrap_or(0) as usize;
    let unlisted = objects.unwrap_or(0).saturating_sub(vectors.len());
    Ok(Some(Readiness {
        objects,
        indexed: vectors.len(),
        missing: known.not_in(&vectors).max(unlisted),
        dead,
    }))
}
