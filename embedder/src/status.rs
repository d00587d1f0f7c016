//! What `/v1/status` says: which models this process runs, on what, and how many pictures at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use inference::ImageEncoder;
use serde_json::{Value, json};

/// The models that are loaded, by id. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct LoadedModels(Arc<Mutex<BTreeMap<String, ImageEncoder>>>);

impl LoadedModels {
    /// A model is loaded.
    pub(crate) fn add(&self, model: &str, encoder: &ImageEncoder) {
        encoder.placement().record(model);
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        models.insert(model.to_owned(), encoder.clone());
    }

    /// The routes of the process's own.
    pub(crate) fn router(self) -> Router {
        worker::router("models", move || self.tell())
    }

    fn tell(&self) -> Value {
        let models = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let told = models.iter().map(|(id, encoder)| {
            let told = json!({
                "placement": encoder.placement(),
                "dim": encoder.dim(),
                "batch": encoder.batch(),
                "max_batch": encoder.max_batch(),
            });
            (id.clone(), told)
        });
        Value::Object(told.collect())
    }
}
