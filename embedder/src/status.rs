//! `/v1/status`: which models this process runs, on what, and how many pictures at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use inference::ImageEncoder;
use serde_json::{Value, json};

/// The models that are loaded, by id. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Running(Arc<Mutex<BTreeMap<String, ImageEncoder>>>);

impl Running {
    /// A model is loaded.
    pub(crate) fn add(&self, model: &str, encoder: &ImageEncoder) {
        let placement = encoder.placement();
        for (name, nodes) in [("gpu", placement.gpu_nodes), ("cpu", placement.cpu_nodes)] {
            let labels = [("model", model.to_owned()), ("device", name.to_owned())];
            metrics::gauge!("bucketlens_model_nodes", &labels).set(nodes as f64);
        }
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(model.to_owned(), encoder.clone());
    }

    /// The routes of the process's own.
    pub(crate) fn router(self) -> Router {
        Router::new().route("/v1/status", get(show)).with_state(self)
    }
}

async fn show(State(running): State<Running>) -> Json<Value> {
    let models = running.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let shown: BTreeMap<_, _> = models
        .iter()
        .map(|(id, encoder)| {
            let (batch, max_batch) = (encoder.batch(), encoder.max_batch());
            (id, json!({ "placement": encoder.placement(), "dim": encoder.dim(), "batch": batch, "max_batch": max_batch }))
        })
        .collect();
    Json(json!({ "version": pipeline::paper::VERSION, "models": shown }))
}
