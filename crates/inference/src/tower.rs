//! A loaded tower: one of the two graphs of a model, from inputs to vectors. The image and the text
//! encoder differ only in the inputs that they give it.

use crate::manifest::{ExtraInput, Manifest};
use crate::onnx::{ConstantInput, Graph, GraphInput, GraphSignature, Matrix, ModelThread};
use crate::{Embedding, ModelError, Placement, Runtime};

/// The part of `[image]` or `[text]` that both towers have.
pub(crate) struct TowerSettings<'a> {
    /// `image` or `text`.
    pub(crate) name: &'static str,
    pub(crate) outputs: &'a [String],
    pub(crate) output_index: Option<usize>,
    pub(crate) extra_inputs: &'a [ExtraInput],
}

/// A graph on its model thread, with the inputs and the output that the manifest names.
pub(crate) struct Tower {
    model: String,
    dim: usize,
    placement: Placement,
    constants: Vec<ConstantInput>,
    output: String,
    thread: ModelThread,
}

impl Tower {
    /// Loads the graph and checks it against the manifest. `inputs` checks the inputs that the
    /// encoder fills itself, and its result is returned.
    pub(crate) fn load<I>(
        runtime: &Runtime,
        manifest: &Manifest,
        graph: Graph,
        settings: &TowerSettings,
        inputs: impl FnOnce(&GraphSignature) -> Result<I, String>,
    ) -> Result<(Tower, I), ModelError> {
        let model = manifest.id.clone();
        let (thread, signature, placement) =
            ModelThread::start(runtime, &model, settings.name, graph)?;
        let wrong = |reason| ModelError::Manifest { model: model.clone(), reason };
        let inputs = inputs(&signature).map_err(wrong)?;
        let constants = ConstantInput::resolve(&signature, settings.extra_inputs).map_err(wrong)?;
        let output = signature
            .output(settings.outputs, settings.output_index, manifest.dim)
            .map_err(wrong)?;
        Ok((Tower { model, dim: manifest.dim, placement, constants, output, thread }, inputs))
    }

    /// Runs the graph once on `rows` inputs. The result has one row of `dim` values per input.
    pub(crate) fn run(
        &self,
        mut inputs: Vec<GraphInput>,
        rows: usize,
    ) -> Result<Matrix, ModelError> {
        inputs.extend(self.constants.iter().map(|constant| constant.fill(rows)));
        self.thread.run(inputs, &self.output)?.of_shape(&self.model, rows, self.dim)
    }

    /// The embeddings in the rows of a result. `first` is the position of the first row in the
    /// request, for errors.
    pub(crate) fn embeddings(
        &self,
        first: usize,
        matrix: &Matrix,
    ) -> Result<Vec<Embedding>, ModelError> {
        let rows = matrix.values.chunks_exact(self.dim).enumerate();
        rows.map(|(row, values)| {
            Embedding::normalise(values.to_vec()).ok_or_else(|| ModelError::NotFinite {
                model: self.model.clone(),
                index: first + row,
            })
        })
        .collect()
    }

    /// An error about the input at this position of the request.
    pub(crate) fn refused(&self, index: usize, reason: String) -> ModelError {
        ModelError::Input { model: self.model.clone(), index, reason }
    }

    /// Model id.
    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    /// Length of the vectors.
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// The execution provider that runs the graph.
    pub(crate) fn placement(&self) -> &Placement {
        &self.placement
    }
}
