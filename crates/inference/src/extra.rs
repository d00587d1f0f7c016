//! Inputs of a graph that do not matter, matched with the graph and filled.

use ort::value::TensorElementType;

use crate::lane::{Input, Values};
use crate::manifest::ExtraInput;
use crate::ports::Ports;

/// An extra input and the type its graph wants.
pub(crate) struct Extra {
    input: ExtraInput,
    element: TensorElementType,
}

impl Extra {
    /// Those of a manifest, which the graph must have. The error is a reason for a person.
    pub(crate) fn resolve(ports: &Ports, inputs: &[ExtraInput]) -> Result<Vec<Extra>, String> {
        inputs
            .iter()
            .map(|input| {
                let port = ports.input(&input.name, input.shape.len())?;
                let fits = port.shape.iter().zip(&input.shape).all(|(has, given)| *has < 0 || has == given);
                match port.element {
                    Some(
                        element @ (TensorElementType::Int64
                        | TensorElementType::Int32
                        | TensorElementType::Float32
                        | TensorElementType::Float16),
                    ) if fits => Ok(Extra { input: input.clone(), element }),
                    _ => Err(format!(
                        "the extra input `{}` is {:?} of the shape {:?}, and the manifest gives {:?} of i64, i32, f32 or f16",
                        input.name, port.element, port.shape, input.shape
                    )),
                }
            })
            .collect()
    }

    /// The input for a run of `rows` pictures or texts.
    pub(crate) fn fill(&self, rows: usize) -> Input {
        // A negative size stands for the batch; all others were checked to be at least 1.
        let shape: Vec<usize> =
            self.input.shape.iter().map(|size| usize::try_from(*size).unwrap_or(rows)).collect();
        let count = shape.iter().product();
        let fill = self.input.fill;
        let values = match self.element {
            TensorElementType::Int64 => Values::I64(vec![fill as i64; count]),
            TensorElementType::Int32 => Values::I32(vec![fill as i32; count]),
            TensorElementType::Float16 => Values::F16(vec![half::f16::from_f32(fill); count]),
            _ => Values::F32(vec![fill; count]),
        };
        Input { name: self.input.name.clone(), shape, values }
    }
}
