//! Loading the model that a worker runs.

use inference::{Model, ModelError, Runtime, RuntimeSettings, gate};
use table::schema::Space;

/// Starts ONNX Runtime for a model, unless the model has yet to pass the gate of 8-bit weights.
///
/// # Errors
/// The gate was not passed, or the runtime cannot be started.
pub fn start_runtime(model: &Model, settings: &RuntimeSettings) -> Result<Runtime, ModelError> {
    gate::passed(model)?;
    Runtime::start(settings)
}

/// Where the vectors of a model belong; `dim` is their length.
pub fn space_of(model: Model, dim: usize) -> Space {
    let (manifest, manifest_hash) = (model.manifest, model.digest);
    Space { model: manifest.id, space: manifest.space, manifest_hash, dim }
}

/// Whether loading failed because files are not there yet, so that it may work later.
pub fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(ModelError::may_pass)
}
