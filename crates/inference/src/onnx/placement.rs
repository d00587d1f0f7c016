//! Placement: the execution provider that really runs a graph.
//!
//! ONNX Runtime reports in four ways that a GPU is used. Three of them may be wrong: the provider
//! is compiled in, it was registered, or the graph was loaded with it. Only the provider assigned
//! to each node is reliable, so the nodes are counted.

use serde::Serialize;

use super::provider::Provider;

/// Least share of a graph's nodes on the GPU for the graph to count as run by the GPU. A few nodes
/// that compute shapes always stay on the CPU.
const GPU_SHARE: f64 = 0.8;

/// The execution provider that runs a graph, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// The provider that the settings ask for.
    pub requested: Provider,
    /// The provider that runs the graph: `cuda` or `tensorrt` where at least 80 % of the nodes are
    /// on the GPU, else `cpu`.
    pub active: Provider,
    /// Nodes of the optimised graph that run on a GPU.
    pub gpu_nodes: usize,
    /// Nodes of the optimised graph that run on the CPU.
    pub cpu_nodes: usize,
    /// Why `active` is less than `requested`. `None` where it is not less.
    pub reason: Option<String>,
}

impl Placement {
    /// Decides by the nodes of each provider which one runs the graph. `reasons` says why better
    /// providers were given up.
    pub(super) fn of(
        requested: Provider,
        loaded: Provider,
        nodes_by_provider: &[(String, usize)],
        mut reasons: Vec<String>,
    ) -> Placement {
        let cpu_nodes: usize = nodes_by_provider
            .iter()
            .filter(|(name, _)| name.starts_with("CPU"))
            .map(|(_, nodes)| nodes)
            .sum();
        let all_nodes = nodes_by_provider.iter().map(|(_, nodes)| nodes).sum::<usize>();
        let gpu_nodes = all_nodes - cpu_nodes;
        let enough = gpu_nodes > 0 && gpu_nodes as f64 >= GPU_SHARE * all_nodes as f64;
        let active = if loaded == Provider::Cpu || enough { loaded } else { Provider::Cpu };
        if active != loaded {
            reasons
                .push(format!("{loaded} took only {gpu_nodes} of the graph's {all_nodes} nodes"));
        }
        let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        Placement { requested, active, gpu_nodes, cpu_nodes, reason }
    }

    /// Sets the gauge `bucketlens_model_nodes` of a model, once for the GPU and once for the CPU.
    pub fn record(&self, model: &str) {
        for (device, nodes) in [("gpu", self.gpu_nodes), ("cpu", self.cpu_nodes)] {
            let labels = [("model", model.to_owned()), ("device", device.to_owned())];
            metrics::gauge!("bucketlens_model_nodes", &labels).set(nodes as f64);
        }
    }

    /// Whether a GPU runs the graph.
    pub fn is_gpu(&self) -> bool {
        matches!(self.active, Provider::Cuda | Provider::TensorRt)
    }

    /// Logs the placement, as a warning where the settings ask for more than there is.
    pub(super) fn log(&self, model: &str, tower: &str) {
        let Placement { requested, active, gpu_nodes, cpu_nodes, reason } = self;
        match reason {
            Some(reason) if *requested != Provider::Auto => tracing::warn!(
                model,
                tower,
                provider = %active,
                gpu_nodes,
                cpu_nodes,
                reason,
                "tower loaded, not as asked for"
            ),
            _ => tracing::info!(
                model,
                tower,
                provider = %active,
                gpu_nodes,
                cpu_nodes,
                reason,
                "tower loaded"
            ),
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
    fn a_cpu_that_was_asked_for_needs_no_reason() {
        assert_eq!(placed(Provider::Cpu, Provider::Cpu, 0, 5).reason, None);
    }
}
