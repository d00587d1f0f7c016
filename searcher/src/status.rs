//! `/v1/status`: what there is to search, with what it is searched, and how much is still on its way to it.

use std::sync::Arc;

use axum::extract::State;
use pipeline::job::StageName;
use serde_json::{Map, Value, json};

use crate::api::App;
use crate::problem::{self, Problem};

/// The answer of `/v1/status`. A broker that is away makes `queues` null and says why; searching goes on without it.
pub(crate) async fn status(State(app): State<Arc<App>>) -> Result<axum::Json<Value>, Problem> {
    let served = app.engine.served();
    let mut tables = Map::new();
    for table in app.engine.table_rows(&served).await.map_err(problem::tables)? {
        tables.insert(table.name, json!({ "rows": table.rows, "version": table.version }));
    }
    let stage = StageName::embed(&served.encoders.space.model);
    let (queues, queues_error) = match app.queues.depths(&stage).await {
        Ok(depths) => (json!({ stage.as_str(): depths }), None),
        Err(error) => (Value::Null, Some(error.to_string())),
    };
    let encoders = &served.encoders;
    let (wanted, problem) = app.following.behind().unzip();
    let manifest = &encoders.manifest;
    Ok(axum::Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "model": {
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
        },
        "wanted": wanted,
        "problem": problem,
        "tables": tables,
        "queues": queues,
        "queues_error": queues_error,
    })))
}
