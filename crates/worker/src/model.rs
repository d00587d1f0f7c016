//! The model that a worker runs: starting the runtime for it, and the space of its vectors.

use inference::{Model, ModelError, Runtime, RuntimeSettings, gate};
use table::schema::Space;

/// Starts ONNX Runtime for a model. Refuses a model with 8-bit weights that has not passed the
/// gate.
///
/// # Errors
/// The gate was not passed, or the runtime does not start.
pub fn start_runtime(model: &Model, settings: &RuntimeSettings) -> Result<Runtime, ModelError> {
    gate::passed(model)?;
    Runtime::start(settings)
}

/// The space of a model's vectors, which have `dim` values each.
pub fn space_of(model: Model, dim: usize) -> Space {
    let (manifest, manifest_hash) = (model.manifest, model.digest);
    Space { model: manifest.id, space: manifest.space, manifest_hash, dim }
}

/// Whether a model did not load because files are missing that may still appear: they are being
/// fetched, or their volume is not mounted yet.
pub fn model_may_appear(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(ModelError::may_pass)
}
