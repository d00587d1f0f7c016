//! Execution providers: what is asked for, and what really runs a graph.
//!
//! ONNX Runtime says in four ways that a GPU is used, and three of them may be wrong: that a
//! provider is compiled in, that it was registered, and that the graph was loaded with it. Only the
//! placement of the graph's nodes is the truth, so that is what is counted.

use std::fmt;

use ort::ep::{CUDA, ExecutionProvider, TensorRT};
use ort::session::Session;
use ort::session::builder::{AutoDevicePolicy, SessionBuilder};
use serde::{Deserialize, Serialize};

use crate::placement;
use crate::source::Graph;
use crate::{Runtime, RuntimeSettings};

/// What shall run the models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// CUDA where it works, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
    /// An NVIDIA GPU with TensorRT, which compiles each graph for minutes; what it cannot run, CUDA
    /// does.
    TensorRt,
}

impl Provider {
    /// As in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Provider::Auto => "auto",
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
            Provider::TensorRt => "tensorrt",
        }
    }

    /// What is tried, the preferred one first. The CPU always works.
    fn attempts(self) -> &'static [Provider] {
        match self {
            Provider::Cpu => &[Provider::Cpu],
            Provider::Auto | Provider::Cuda => &[Provider::Cuda, Provider::Cpu],
            Provider::TensorRt => &[Provider::TensorRt, Provider::Cuda, Provider::Cpu],
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Share of a graph's nodes from which it counts as run by the GPU: a few nodes that compute shapes
/// always stay on the CPU.
const GPU_SHARE: f64 = 0.8;

/// What really runs a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// What the settings ask for.
    pub requested: Provider,
    /// What runs it: `cuda` or `tensorrt` only where at least 80 % of the nodes are on the GPU,
    /// else `cpu`.
    pub active: Provider,
    /// Nodes of the graph, as optimised, that run on a GPU.
    pub gpu_nodes: usize,
    /// Those that run on the CPU.
    pub cpu_nodes: usize,
    /// Why `active` is less than what was asked for. `None` where it is not.
    pub reason: Option<String>,
}

impl Placement {
    /// Sets the gauge `bucketlens_model_nodes` of a model, for the GPU and for the CPU.
    pub fn record(&self, model: &str) {
        for (device, nodes) in [("gpu", self.gpu_nodes), ("cpu", self.cpu_nodes)] {
            let labels = [("model", model.to_owned()), ("device", device.to_owned())];
            metrics::gauge!("bucketlens_model_nodes", &labels).set(nodes as f64);
        }
    }

    /// Whether a GPU runs it.
    pub fn is_gpu(&self) -> bool {
        matches!(self.active, Provider::Cuda | Provider::TensorRt)
    }

    /// Says it to who reads the log; loudly where somebody asked for more.
    pub(crate) fn log(&self, model: &str, tower: &str) {
        let Placement { requested, active, gpu_nodes, cpu_nodes, reason } = self;
        match reason {
            Some(reason) if *requested != Provider::Auto => {
                tracing::warn!(model, tower, provider = %active, gpu_nodes, cpu_nodes, reason, "tower loaded, not as asked for");
            }
            _ => {
                tracing::info!(model, tower, provider = %active, gpu_nodes, cpu_nodes, reason, "tower loaded")
            }
        }
    }

    fn of(
        requested: Provider,
        loaded: Provider,
        counted: &[(String, usize)],
        mut reasons: Vec<String>,
    ) -> Placement {
        let cpu_nodes: usize = counted
            .iter()
            .filter(|(name, _)| name.starts_with("CPU"))
            .map(|(_, nodes)| nodes)
            .sum();
        let gpu_nodes = counted.iter().map(|(_, nodes)| nodes).sum::<usize>() - cpu_nodes;
        let enough =
            gpu_nodes > 0 && gpu_nodes as f64 >= GPU_SHARE * (gpu_nodes + cpu_nodes) as f64;
        let active = if loaded == Provider::Cpu || enough { loaded } else { Provider::Cpu };
        if active != loaded {
            reasons.push(format!(
                "{loaded} took only {gpu_nodes} of the graph's {} nodes",
                gpu_nodes + cpu_nodes
            ));
        }
        let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        Placement { requested, active, gpu_nodes, cpu_nodes, reason }
    }
}

/// Loads a graph with the best provider that works. The CPU is the last resort, and why it came to
/// that is kept.
///
/// # Errors
/// The graph cannot be loaded at all, or `require_gpu` is set and no GPU runs it. One sentence.
pub(crate) fn load(runtime: &Runtime, graph: &Graph) -> Result<(Session, Placement), String> {
    let settings = runtime.settings();
    let mut reasons = Vec::new();
    for provider in settings.provider.attempts() {
        match attempt(runtime, graph, *provider) {
            Ok(session) => {
                let counted = placement::nodes(&session)
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

fn attempt(runtime: &Runtime, graph: &Graph, provider: Provider) -> Result<Session, String> {
    let builder = Session::builder(runtime.environment()).map_err(|error| error.to_string())?;
    // The binding's own default lets the system choose a device (CoreML on macOS); we run what the
    // settings say.
    let builder =
        builder.with_auto_device(AutoDevicePolicy::PreferCPU).map_err(|error| error.to_string())?;
    let mut builder =
        builder.with_config_entry(placement::RECORD, "1").map_err(|error| error.to_string())?;
    register(&mut builder, provider, runtime.settings()).map_err(|error| error.to_string())?;
    match graph {
        Graph::Bytes(bytes) => builder.commit_from_memory(bytes),
        Graph::File(path) => builder.commit_from_file(path),
    }
    .map_err(|error| error.to_string())
}

/// By hand, because the binding's own list of providers goes on without one that cannot be
/// registered.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(requested: Provider, loaded: Provider, gpu: usize, cpu: usize) -> Placement {
        let counted =
            [("CUDAExecutionProvider".to_owned(), gpu), ("CPUExecutionProvider".to_owned(), cpu)];
        Placement::of(requested, loaded, &counted, Vec::new())
    }

    #[test]
    fn a_gpu_counts_only_where_it_runs_most_of_the_graph() {
        let whole = placed(Provider::Auto, Provider::Cuda, 90, 10);
        assert_eq!((whole.active, whole.is_gpu(), whole.reason), (Provider::Cuda, true, None));
        for (gpu, cpu) in [(0, 100), (20, 80), (79, 21)] {
            let part = placed(Provider::Cuda, Provider::Cuda, gpu, cpu);
            assert_eq!((part.active, part.is_gpu(), part.gpu_nodes), (Provider::Cpu, false, gpu));
            assert!(part.reason.unwrap().contains(&format!("only {gpu} of the graph's 100 nodes")));
        }
    }

    #[test]
    fn the_cpu_is_always_the_last_resort() {
        for provider in [Provider::Auto, Provider::Cpu, Provider::Cuda, Provider::TensorRt] {
            assert_eq!(provider.attempts().last(), Some(&Provider::Cpu));
        }
        assert_eq!(placed(Provider::Cpu, Provider::Cpu, 0, 5).reason, None);
    }
}
