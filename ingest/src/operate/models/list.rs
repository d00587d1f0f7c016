//! All models and captioners that anything is known of.

use pipeline::depths::QueueDepths;
use pipeline::models::{self, Models, Removal};
use pipeline::stage_kind::StageKind;
use pipeline::stage_name::StageName;
use pipeline::topology::Depths;
use serde::Serialize;
use table::ledger::{self, Ledger};
use table::{captions, embeddings};

use crate::active::{Parts, SWEEP_STATE};
use crate::report::Report;
use crate::served::{self, active_of, table_of};

/// One model or captioner.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    /// What it does.
    pub(crate) kind: StageKind,
    /// Whether it answers searches. A captioner's captions are searched by the searchers whose
    /// settings name it.
    pub(crate) active: bool,
    /// Whether it did before the active one.
    pub(crate) previous: bool,
    /// Whether `stages.models` or `stages.captioners` names it.
    pub(crate) set: bool,
    /// The space of its vectors; `None` while there are none.
    pub(crate) space: Option<String>,
    /// SHA-256 of the `model.toml` they were made with.
    pub(crate) manifest_hash: Option<String>,
    /// Rows of its table, spare ones included; `None` where it has no table.
    pub(crate) rows: Option<usize>,
    /// Rows in percent of the watched objects of the last full sweep, at most 100; `None` before
    /// the first.
    pub(crate) coverage: Option<f64>,
    /// What waits in its queues; `None` while the broker is away.
    pub(crate) queues: Option<Depths>,
    /// When it was removed, and when its table goes or went.
    pub(crate) removed: Option<Removal>,
}

/// Those that settings name, then those that only have a table or are being removed.
pub(crate) async fn list(parts: &Parts, queues: &QueueDepths) -> anyhow::Result<Vec<Row>> {
    let decided = models::read(&parts.state).await?;
    let objects = parts.state.get::<Report>(SWEEP_STATE).await?.map(|(sweep, _)| sweep.objects);
    let tables = ledger::table_names(&parts.database).await?;
    let set: Vec<_> = served::stages(&parts.settings.stages, &Models::default());
    let found = tables.iter().filter_map(|name| {
        let model = embeddings::model_of(name).map(StageName::embed);
        model.or_else(|| captions::captioner_of(name).map(StageName::caption))
    });
    let mut others: Vec<_> = found.chain(decided.removed.keys().cloned()).collect();
    others.sort();
    others.dedup();
    others.retain(|stage| !set.contains(stage));
    let mut rows = Vec::new();
    for stage in set.iter().chain(&others) {
        let (id, kind) = (stage.id(), stage.kind());
        let (mut count, mut space) = (None, None);
        if let Some(table) = Ledger::open(&parts.database, &table_of(stage)).await? {
            (count, space) = (Some(table.count_rows().await?), table.space(id).await?);
        }
        let embeds = kind == StageKind::Embed;
        let covered = |objects: usize| {
            if objects == 0 {
                100.0
            } else {
                100.0 * count.unwrap_or(0).min(objects) as f64 / objects as f64
            }
        };
        rows.push(Row {
            id: id.to_owned(),
            kind,
            active: embeds && active_of(&parts.settings.stages.models, &decided) == id,
            previous: embeds && decided.previous.as_deref() == Some(id),
            set: set.contains(stage),
            manifest_hash: space.as_ref().map(|space| space.manifest_hash.clone()),
            space: space.map(|space| space.space),
            rows: count,
            coverage: objects.map(covered),
            queues: queues.depths(stage).await.ok(),
            removed: decided.removed.get(stage).cloned(),
        });
    }
    Ok(rows)
}
