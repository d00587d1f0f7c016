//! The signature of a loaded graph: the inputs and outputs it declares, checked against the
//! manifest.

use ort::session::Session;
use ort::value::{Outlet, TensorElementType};

/// Largest batch that a graph may insist on. Every run of such a graph is filled up to it.
pub(crate) const MAX_FIXED_BATCH: i64 = 1024;

/// The inputs and outputs of a graph.
pub(crate) struct GraphSignature {
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
}

/// One input or output of a graph.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TensorSpec {
    pub(crate) name: String,
    /// `None` for a value that is not a tensor.
    pub(crate) element: Option<TensorElementType>,
    /// The size of each dimension, -1 where the graph takes any size.
    pub(crate) shape: Vec<i64>,
}

impl GraphSignature {
    /// The signature of the graph in a session.
    pub(super) fn of(session: &Session) -> GraphSignature {
        let spec = |outlet: &Outlet| TensorSpec {
            name: outlet.name().to_owned(),
            element: outlet.dtype().tensor_type(),
            shape: outlet.dtype().tensor_shape().map(|shape| shape.to_vec()).unwrap_or_default(),
        };
        let inputs = session.inputs().iter().map(spec).collect();
        GraphSignature { inputs, outputs: session.outputs().iter().map(spec).collect() }
    }

    /// The input with this name, which must have `rank` dimensions.
    pub(crate) fn input(&self, name: &str, rank: usize) -> Result<&TensorSpec, String> {
        let spec = self.inputs.iter().find(|spec| spec.name == name);
        let spec = spec.ok_or_else(|| {
            format!("the graph has no input `{name}`, it has: {}", names(&self.inputs))
        })?;
        if spec.shape.len() != rank {
            return Err(format!(
                "the input `{name}` has the shape {:?} and {rank} dimensions are needed",
                spec.shape
            ));
        }
        Ok(spec)
    }

    /// Refuses a graph with an input that is not in `fed`.
    pub(crate) fn only_inputs(&self, fed: &[&str]) -> Result<(), String> {
        match self.inputs.iter().find(|spec| !fed.contains(&spec.name.as_str())) {
            None => Ok(()),
            Some(spec) => Err(format!(
                "the graph needs an input `{}`, which the manifest does not name",
                spec.name
            )),
        }
    }

    /// The name of the output at `index`, or of the first of `candidates` that the graph has. The
    /// output must hold f32 or f16 vectors of `dim` values.
    pub(crate) fn output(
        &self,
        candidates: &[String],
        index: Option<usize>,
        dim: usize,
    ) -> Result<String, String> {
        let spec = match index {
            Some(index) => self.outputs.get(index).ok_or_else(|| format!("output {index}")),
            None => candidates
                .iter()
                .find_map(|name| self.outputs.iter().find(|spec| spec.name == *name))
                .ok_or_else(|| format!("any of the outputs {candidates:?}")),
        };
        let spec = spec.map_err(|wanted| {
            format!("the graph does not have {wanted}, it has: {}", names(&self.outputs))
        })?;
        let name = &spec.name;
        if !spec.is_float() {
            return Err(format!(
                "the output `{name}` is neither float32 nor float16: \
                 export the graph with such outputs"
            ));
        }
        match spec.shape.as_slice() {
            // The shape is unknown until the first run.
            [] => Ok(name.clone()),
            [_, columns] if *columns < 0 || usize::try_from(*columns) == Ok(dim) => {
                Ok(name.clone())
            }
            shape => Err(format!(
                "the output `{name}` has the shape {shape:?} and batch x {dim} is needed"
            )),
        }
    }
}

impl TensorSpec {
    /// Whether its values are f32 or f16.
    pub(crate) fn is_float(&self) -> bool {
        matches!(self.element, Some(TensorElementType::Float32 | TensorElementType::Float16))
    }

    /// Whether its values are f16.
    pub(crate) fn is_half(&self) -> bool {
        self.element == Some(TensorElementType::Float16)
    }
}

fn names(specs: &[TensorSpec]) -> String {
    specs.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature() -> GraphSignature {
        let spec = |name: &str, element, shape: &[i64]| TensorSpec {
            name: name.into(),
            element: Some(element),
            shape: shape.into(),
        };
        GraphSignature {
            inputs: vec![spec("pixel_values", TensorElementType::Float32, &[-1, 3, 64, 64])],
            outputs: vec![
                spec("last_hidden_state", TensorElementType::Float32, &[-1, 17, 128]),
                spec("image_embeds", TensorElementType::Float32, &[-1, 128]),
                spec("half", TensorElementType::Float16, &[-1, 128]),
                spec("ids", TensorElementType::Int64, &[-1, 128]),
            ],
        }
    }

    fn output(names: &[&str], dim: usize) -> Result<String, String> {
        signature().output(
            &names.iter().map(|name| String::from(*name)).collect::<Vec<_>>(),
            None,
            dim,
        )
    }

    #[test]
    fn the_first_output_that_exists_is_taken() {
        assert_eq!(output(&["pooler_output", "image_embeds"], 128).unwrap(), "image_embeds");
    }

    #[test]
    fn an_output_may_be_half_precision_or_known_by_its_position() {
        assert_eq!(output(&["half"], 128).unwrap(), "half");
        assert_eq!(signature().output(&[], Some(1), 128).unwrap(), "image_embeds");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        assert!(
            output(&["pooler_output"], 128)
                .unwrap_err()
                .contains("last_hidden_state, image_embeds")
        );
        assert!(output(&["last_hidden_state"], 128).unwrap_err().contains("[-1, 17, 128]"));
        assert!(output(&["image_embeds"], 512).unwrap_err().contains("batch x 512"));
        assert!(output(&["ids"], 128).unwrap_err().contains("neither float32 nor float16"));
        assert!(signature().output(&[], Some(4), 128).unwrap_err().contains("output 4"));
        assert!(signature().input("image", 4).unwrap_err().contains("pixel_values"));
        assert!(signature().input("pixel_values", 2).unwrap_err().contains("2 dimensions"));
        assert!(signature().only_inputs(&["pixel_values"]).is_ok());
        assert!(signature().only_inputs(&["input_ids"]).unwrap_err().contains("pixel_values"));
    }
}
