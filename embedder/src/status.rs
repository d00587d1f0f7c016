//! `/v1/status`: the models of this process, the processors that run them, and their batches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use inference::ImageEncoder;
use serde_json::{Value, json};

/// The models that are loaded, by id. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct LoadedModels(Arc<Mutex<BTreeMap<String, ImageEncoder>>>);

impl LoadedModels {
    /// Adds a model, and records its placement as a metric.
    pub(crate) fn add(&self, model: &str, encoder: &ImageEncoder) {
        encoder.placement().record(model);
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        models.insert(model.to_owned(), encoder.clone());
    }

    /// The route `/v1/status`.
    pub(crate) fn router(self) -> Router {
        worker::status_router("models", move || self.describe())
    }

    fn describe(&self) -> Value {
        let models = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let described = models.iter().map(|(id, encoder)| {
            let described = json!({
                "placement": encoder.placement(),
                "dim": encoder.dim(),
                "batch": encoder.batch(),
                "max_batch": encoder.max_batch(),
            });
            (id.clone(), described)
        });
        Value::Object(described.collect())
    }
}
