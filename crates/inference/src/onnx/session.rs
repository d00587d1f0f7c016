//! Loading a graph on the best execution provider that works.

use std::path::PathBuf;

use ort::ep::{CUDA, ExecutionProvider, TensorRT};
use ort::session::Session;
use ort::session::builder::{AutoDevicePolicy, SessionBuilder};

use super::assigned_nodes;
use super::placement::Placement;
use super::provider::Provider;
use super::runtime::{Runtime, RuntimeSettings};

/// An ONNX graph to load.
pub(crate) enum Graph {
    /// The content of its file.
    Bytes(&'static [u8]),
    /// Its file. ONNX Runtime reads it, with the weights that lie beside it.
    File(PathBuf),
}

/// Loads a graph with the best provider that works, the CPU being the last resort.
///
/// # Errors
/// One sentence: the graph cannot be loaded at all, or `require_gpu` is set and no GPU runs it.
pub(super) fn load(runtime: &Runtime, graph: &Graph) -> Result<(Session, Placement), String> {
    let settings = runtime.settings();
    let mut reasons = Vec::new();
    for provider in settings.provider.attempts() {
        match load_with(runtime, graph, *provider) {
            Ok(session) => {
                let counted = assigned_nodes::by_provider(&session)
                    .map_err(|error| format!("its placement is unknown: {error}"))?;
                let placement = Placement::of(settings.provider, *provider, &counted, reasons);
                if settings.require_gpu && !placement.is_gpu() {
                    let reason = placement.reason.unwrap_or_default();
                    return Err(format!(
                        "no GPU runs it, and the setting `runtime.require_gpu` is true: {reason}"
                    ));
                }
                return Ok((session, placement));
            }
            Err(error) if *provider == Provider::Cpu => return Err(error),
            Err(error) => reasons.push(format!("{provider} does not work here: {error}")),
        }
    }
    Err(reasons.join("; "))
}

fn load_with(runtime: &Runtime, graph: &Graph, provider: Provider) -> Result<Session, String> {
    let builder = Session::builder(runtime.environment()).map_err(|error| error.to_string())?;
    // The binding's default lets the system choose a device (CoreML on macOS). The settings decide
    // instead.
    let builder =
        builder.with_auto_device(AutoDevicePolicy::PreferCPU).map_err(|error| error.to_string())?;
    let mut builder = builder
        .with_config_entry(assigned_nodes::RECORD, "1")
        .map_err(|error| error.to_string())?;
    register(&mut builder, provider, runtime.settings()).map_err(|error| error.to_string())?;
    match graph {
        Graph::Bytes(bytes) => builder.commit_from_memory(bytes),
        Graph::File(path) => builder.commit_from_file(path),
    }
    .map_err(|error| error.to_string())
}

/// Registers a provider directly, because the binding's own list of providers silently skips one
/// that cannot be registered.
fn register(
    builder: &mut SessionBuilder,
    provider: Provider,
    settings: &RuntimeSettings,
) -> ort::Result<()> {
    let cuda = || CUDA::default().with_device_id(settings.device);
    match provider {
        Provider::Cpu | Provider::Auto => Ok(()),
        Provider::Cuda => cuda().register(builder),
        Provider::TensorRt => {
            let mut engine = TensorRT::default().with_device_id(settings.device);
            if !settings.engine_cache.is_empty() {
                let folder = &settings.engine_cache;
                engine = engine.with_engine_cache(true).with_engine_cache_path(folder);
                engine = engine.with_timing_cache(true).with_timing_cache_path(folder);
            }
            engine.register(builder)?;
            cuda().register(builder)
        }
    }
}
