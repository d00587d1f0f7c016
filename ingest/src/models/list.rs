//! All models that anything is known of.

use std::collections::BTreeSet;

use pipeline::depths::Queues;
use pipeline::job::StageName;
use pipeline::models::{self, Removal};
use pipeline::topology::Depths;
use serde::Serialize;
use table::embeddings;
use table::ledger::{self, Ledger};

use crate::active::{Parts, SWEEP_STATE};
use crate::report::Report;
use crate::served::active_of;

/// One model.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    /// Whether it answers searches.
    pub(crate) active: bool,
    /// Whether it did before the active one.
    pub(crate) previous: bool,
    /// Whether `stages.models` names it.
    pub(crate) set: bool,
    /// The space of its vectors; `None` while there are none.
    pub(crate) space: Option<String>,
    /// SHA-256 of the `model.toml` they were made with.
    pub(crate) manifest_hash: Option<String>,
    /// Rows of its table, spare ones included; `None` where it has no table.
    pub(crate) rows: Option<usize>,
    /// Rows in percent of the watched objects of the last full sweep, at most 100; `None` before the first.
    pub(crate) coverage: Option<f64>,
    /// What waits in its queues; `None` while the broker is away.
    pub(crate) queues: Option<Depths>,
    /// When it was removed, and when its table goes or went.
    pub(crate) removed: Option<Removal>,
}

/// Those that settings name, then those that only have a table or are being removed.
pub(crate) async fn list(parts: &Parts, queues: &Queues) -> anyhow::Result<Vec<Row>> {
    let set = &parts.settings.stages.models;
    let decided = models::read(&parts.state).await?;
    let objects = parts.state.get::<Report>(SWEEP_STATE).await?.map(|(sweep, _)| sweep.objects);
    let tables = ledger::table_names(&parts.database).await?;
    let others: BTreeSet<_> =
        tables.iter().filter_map(|name| embeddings::model_of(name)).chain(decided.removed.keys().map(String::as_str)).collect();
    let others = others.into_iter().filter(|id| !set.iter().any(|set| set == id));
    let mut rows = Vec::new();
    for id in set.iter().map(String::as_str).chain(others) {
        let (mut count, mut space) = (None, None);
        if let Some(table) = Ledger::open(&parts.database, &embeddings::name(id)).await? {
            (count, space) = (Some(table.count_rows().await?), table.space(id).await?);
        }
        let covered =
            |objects: usize| if objects == 0 { 100.0 } else { 100.0 * count.unwrap_or(0).min(objects) as f64 / objects as f64 };
        rows.push(Row {
            id: id.to_owned(),
            active: active_of(set, &decided) == id,
            previous: decided.previous.as_deref() == Some(id),
            set: set.iter().any(|set| set == id),
            manifest_hash: space.as_ref().map(|space| space.manifest_hash.clone()),
            space: space.map(|space| space.space),
            rows: count,
            coverage: objects.map(covered),
            queues: queues.depths(&StageName::embed(id)).await.ok(),
            removed: decided.removed.get(id).cloned(),
        });
    }
    Ok(rows)
}
