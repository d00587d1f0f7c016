//! All models and captioners that anything is known of.

use pipeline::depths::QueueDepths;
use pipeline::models::{self, Models, Removal};
use pipeline::stage_kind::StageKind;
use pipeline::stage_name::StageName;
use pipeline::topology::Depths;
use serde::Serialize;
use table::ledger::{self, Ledger};
use utoipa::ToSchema;

use crate::operate::schemas::{QueueDepthsSchema, RemovalSchema};
use crate::parts::IngestParts;
use crate::watch::report;
use crate::watch::watched_table::{stage_of, table_of};

/// One model or captioner.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ModelRow {
    pub(crate) id: String,
    /// Its kind of work: `embed` or `caption`.
    #[schema(value_type = String)]
    pub(crate) kind: StageKind,
    /// Whether it answers searches. Never true for a captioner: searchers name the captions they
    /// search in their settings.
    pub(crate) active: bool,
    /// Whether it was active before the present one.
    pub(crate) previous: bool,
    /// Whether the settings name it.
    pub(crate) set: bool,
    /// The space of its vectors; `null` while it has none.
    pub(crate) space: Option<String>,
    /// SHA-256 of the `model.toml` that its vectors were made with.
    pub(crate) manifest_hash: Option<String>,
    /// Rows of its table, spare ones included; `null` while it has no table.
    pub(crate) rows: Option<usize>,
    /// Rows in percent of the watched objects of the last full sweep, at most 100; `null` before
    /// the first.
    pub(crate) coverage: Option<f64>,
    /// Depths of its queues; `null` while the broker is away.
    #[schema(value_type = Option<QueueDepthsSchema>)]
    pub(crate) queues: Option<Depths>,
    /// When it was removed and its table is dropped; `null` if it is not removed.
    #[schema(value_type = Option<RemovalSchema>)]
    pub(crate) removed: Option<Removal>,
}

/// First those that the settings name, then those that only have a table or are being removed.
pub(crate) async fn list(
    parts: &IngestParts,
    queues: &QueueDepths,
) -> anyhow::Result<Vec<ModelRow>> {
    let decisions = models::read(&parts.state).await?;
    let objects = report::last_full(&parts.state).await?.map(|report| report.objects);
    let tables = ledger::table_names(&parts.database).await?;
    let set = parts.settings.stages.all();
    let with_table = tables.iter().filter_map(|table| stage_of(table));
    let mut others: Vec<_> = with_table.chain(decisions.removed.keys().cloned()).collect();
    others.sort();
    others.dedup();
    others.retain(|stage| !set.contains(stage));
    let mut rows = Vec::new();
    for stage in set.iter().chain(&others) {
        let mut row = row(parts, stage, &decisions).await?;
        row.coverage = objects.map(|objects| coverage(row.rows.unwrap_or(0), objects));
        row.queues = queues.depths(stage).await.ok();
        rows.push(row);
    }
    Ok(rows)
}

/// Everything but coverage and queues.
async fn row(
    parts: &IngestParts,
    stage: &StageName,
    decisions: &Models,
) -> anyhow::Result<ModelRow> {
    let (id, kind) = (stage.id(), stage.kind());
    let settings = &parts.settings.stages;
    let (mut rows, mut space) = (None, None);
    if let Some(table) = Ledger::open(&parts.database, &table_of(stage)).await? {
        (rows, space) = (Some(table.count_rows().await?), table.space(id).await?);
    }
    Ok(ModelRow {
        id: id.to_owned(),
        kind,
        active: kind.answers_searches() && settings.active_model(decisions) == id,
        previous: kind.answers_searches() && decisions.previous.as_deref() == Some(id),
        set: settings.ids(kind).iter().any(|set| set == id),
        manifest_hash: space.as_ref().map(|space| space.manifest_hash.clone()),
        space: space.map(|space| space.space),
        rows,
        coverage: None,
        queues: None,
        removed: decisions.removed.get(stage).cloned(),
    })
}

fn coverage(rows: usize, objects: usize) -> f64 {
    if objects == 0 { 100.0 } else { 100.0 * rows.min(objects) as f64 / objects as f64 }
}
