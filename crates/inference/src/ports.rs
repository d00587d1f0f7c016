//! What a loaded graph declares, checked against what the manifest says.

use ort::session::Session;
use ort::value::{Outlet, TensorElementType};

/// Inputs and outputs of a graph.
pub(crate) struct Ports {
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

/// One input or output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Port {
    pub(crate) name: String,
    /// `None` for what is not a tensor.
    pub(crate) element: Option<TensorElementType>,
    /// -1 where any size is taken.
    pub(crate) shape: Vec<i64>,
}

impl Ports {
    /// Those of a session.
    pub(crate) fn of(session: &Session) -> Ports {
        let port = |outlet: &Outlet| Port {
            name: outlet.name().to_owned(),
            element: outlet.dtype().tensor_type(),
            shape: outlet.dtype().tensor_shape().map(|shape| shape.to_vec()).unwrap_or_default(),
        };
        let inputs = session.inputs().iter().map(port).collect();
        Ports { inputs, outputs: session.outputs().iter().map(port).collect() }
    }

    /// The input of this name and rank.
    pub(crate) fn input(&self, name: &str, rank: usize) -> Result<&Port, String> {
        let port = self.inputs.iter().find(|port| port.name == name);
        let port = port.ok_or_else(|| {
            format!("the graph has no input `{name}`, it has: {}", names(&self.inputs))
        })?;
        if port.shape.len() != rank {
            return Err(format!(
                "the input `{name}` has the shape {:?} and {rank} dimensions are needed",
                port.shape
            ));
        }
        Ok(port)
    }

    /// Refuses a graph with an input that nobody feeds.
    pub(crate) fn only_inputs(&self, fed: &[&str]) -> Result<(), String> {
        match self.inputs.iter().find(|port| !fed.contains(&port.name.as_str())) {
            None => Ok(()),
            Some(port) => Err(format!(
                "the graph needs an input `{}`, which the manifest does not name",
                port.name
            )),
        }
    }

    /// Name of the output at `index`, or of the first of `candidates` that the graph has; it must
    /// give f32 or f16 vectors of `dim` values.
    pub(crate) fn output(
        &self,
        candidates: &[String],
        index: Option<usize>,
        dim: usize,
    ) -> Result<String, String> {
        let port = match index {
            Some(index) => self.outputs.get(index).ok_or_else(|| format!("output {index}")),
            None => candidates
                .iter()
                .find_map(|name| self.outputs.iter().find(|port| port.name == *name))
                .ok_or_else(|| format!("any of the outputs {candidates:?}")),
        };
        let port = port.map_err(|wanted| {
            format!("the graph does not have {wanted}, it has: {}", names(&self.outputs))
        })?;
        let name = &port.name;
        if !port.is_float() {
            return Err(format!(
                "the output `{name}` is neither float32 nor float16: export the graph with such outputs"
            ));
        }
        match port.shape.as_slice() {
            // Of unknown shape: the run shows it.
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

impl Port {
    pub(crate) fn is_float(&self) -> bool {
        matches!(self.element, Some(TensorElementType::Float32 | TensorElementType::Float16))
    }

    /// Whether its values are 16-bit floating point.
    pub(crate) fn is_half(&self) -> bool {
        self.element == Some(TensorElementType::Float16)
    }
}

fn names(ports: &[Port]) -> String {
    ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports() -> Ports {
        let port = |name: &str, element, shape: &[i64]| Port {
            name: name.into(),
            element: Some(element),
            shape: shape.into(),
        };
        Ports {
            inputs: vec![port("pixel_values", TensorElementType::Float32, &[-1, 3, 64, 64])],
            outputs: vec![
                port("last_hidden_state", TensorElementType::Float32, &[-1, 17, 128]),
                port("image_embeds", TensorElementType::Float32, &[-1, 128]),
                port("half", TensorElementType::Float16, &[-1, 128]),
                port("ids", TensorElementType::Int64, &[-1, 128]),
            ],
        }
    }

    fn output(names: &[&str], dim: usize) -> Result<String, String> {
        ports().output(&names.iter().map(|name| String::from(*name)).collect::<Vec<_>>(), None, dim)
    }

    #[test]
    fn the_first_output_that_exists_is_taken() {
        assert_eq!(output(&["pooler_output", "image_embeds"], 128).unwrap(), "image_embeds");
    }

    #[test]
    fn an_output_may_be_half_precision_or_known_by_its_position() {
        assert_eq!(output(&["half"], 128).unwrap(), "half");
        assert_eq!(ports().output(&[], Some(1), 128).unwrap(), "image_embeds");
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
        assert!(ports().output(&[], Some(4), 128).unwrap_err().contains("output 4"));
        assert!(ports().input("image", 4).unwrap_err().contains("pixel_values"));
        assert!(ports().input("pixel_values", 2).unwrap_err().contains("2 dimensions"));
        assert!(ports().only_inputs(&["pixel_values"]).is_ok());
        assert!(ports().only_inputs(&["input_ids"]).unwrap_err().contains("pixel_values"));
    }
}
