//! `/v1/status`: what there is to search, with what it is searched, and how much is still on its
//! way to it.

use std::sync::Arc;

use axum::extract::State;
use pipeline::stage_name::StageName;
use serde_json::{Map, Value, json};

use crate::UploadSettings;
use crate::api::App;
use crate::encoders::Encoders;
use crate::problem::{self, Problem};
use crate::upload::{MOST_FILES, TYPES};

/// The answer of `/v1/status`. A broker that is away makes `queues` null and says why; searching
/// goes on without it. A model that cannot be loaded makes `model` null, and `problem` says why.
#[utoipa::path(get, path = "/v1/status", tag = "status", responses(
    (status = 200, body = Value, description = "version, model, tables, queues, what may be uploaded"),
))]
pub(crate) async fn status(State(app): State<Arc<App>>) -> Result<axum::Json<Value>, Problem> {
    let served = app.engine.served();
    let mut tables = Map::new();
    for table in app.engine.table_rows(&served).await.map_err(problem::tables)? {
        tables.insert(table.name, json!({ "rows": table.rows, "version": table.version }));
    }
    let (queues, queues_error) = match served.model().map(StageName::embed) {
        Some(stage) => match app.queues.depths(&stage).await {
            Ok(depths) => (json!({ stage.as_str(): depths }), None),
            Err(error) => (Value::Null, Some(error.to_string())),
        },
        None => (json!({}), None),
    };
    let (wanted, problem) = app.following.behind().unzip();
    Ok(axum::Json(json!({
        "version": service::command_line::VERSION,
        "model": served.encoders().map(model),
        "upload": upload(&app.upload),
        "image_urls": app.engine.fetcher.is_enabled(),
        "operations": app.operations,
        "wanted": wanted,
        "problem": problem,
        "tables": tables,
        "queues": queues,
        "queues_error": queues_error,
    })))
}

fn upload(settings: &UploadSettings) -> Option<Value> {
    let ending = |ending: &&str| format!(".{ending}");
    let types: Map<_, _> = TYPES
        .iter()
        .map(|(name, endings)| {
            ((*name).to_owned(), endings.iter().map(ending).collect::<Vec<_>>().into())
        })
        .collect();
    let UploadSettings { enabled, prefix, max_bytes } = settings;
    enabled.then(|| json!({ "prefix": prefix, "max_bytes": max_bytes, "types": types, "max_files": MOST_FILES }))
}

fn model(encoders: &Encoders) -> Value {
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
