//! `/v1/status`: the model, the tables, and how many jobs wait.

use std::sync::Arc;

use axum::extract::State;
use pipeline::stage_name::StageName;
use serde_json::{Map, Value, json};

use super::app::App;
use super::upload_key::TYPES;
use super::uploads::MAX_FILES;
use crate::encoders::Encoders;
use crate::problem::{self, Problem};
use crate::settings::UploadSettings;

/// What the searcher works with. While the broker is away, `queues` is null and `queues_error` says
/// why; searches work without it. While the model cannot be loaded, `model` is null and `problem`
/// says why.
#[utoipa::path(get, path = "/v1/status", tag = "status", responses(
    (status = 200, body = Value,
        description = "version, model, tables, queues, what may be uploaded"),
))]
pub(crate) async fn status(State(app): State<Arc<App>>) -> Result<axum::Json<Value>, Problem> {
    let model = app.engine.model();
    let mut tables = Map::new();
    for table in app.engine.table_rows(&model).await.map_err(problem::tables)? {
        tables.insert(table.name, json!({ "rows": table.rows, "version": table.version }));
    }
    let (queues, queues_error) = match model.id().map(StageName::embed) {
        Some(stage) => match app.queues.depths(&stage).await {
            Ok(depths) => (json!({ stage.as_str(): depths }), None),
            Err(error) => (Value::Null, Some(error.to_string())),
        },
        None => (json!({}), None),
    };
    let (wanted, problem) =
        app.pending_model.get().map(|pending| (pending.model, pending.problem)).unzip();
    Ok(axum::Json(json!({
        "version": service::command_line::VERSION,
        "model": model.encoders().map(describe),
        "upload": upload_limits(&app.upload),
        "image_urls": app.engine.fetcher.is_enabled(),
        "operations": app.operations,
        "wanted": wanted,
        "problem": problem,
        "tables": tables,
        "queues": queues,
        "queues_error": queues_error,
    })))
}

fn upload_limits(settings: &UploadSettings) -> Option<Value> {
    let ending = |ending: &&str| format!(".{ending}");
    let types: Map<_, _> = TYPES
        .iter()
        .map(|(name, endings)| {
            ((*name).to_owned(), endings.iter().map(ending).collect::<Vec<_>>().into())
        })
        .collect();
    let UploadSettings { enabled, prefix, max_bytes } = settings;
    enabled.then(|| {
        json!({
            "prefix": prefix,
            "max_bytes": max_bytes,
            "types": types,
            "max_files": MAX_FILES,
        })
    })
}

fn describe(encoders: &Encoders) -> Value {
    let manifest = &encoders.manifest;
    json!({
        "id": manifest.id,
        "space": manifest.space,
        "dim": manifest.dim,
        "demo": manifest.demo,
        "licence": manifest.licence,
        "notice": manifest.notice,
        "provider": encoders.image.placement().active,
        "placement": {
            "image": encoders.image.placement(),
            "text": encoders.text.as_ref().map(|text| text.placement()),
        },
    })
}
