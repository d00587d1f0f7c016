//! Inputs that a graph requires and that do not change its vectors, filled with one value.

use ort::value::TensorElementType;

use super::signature::GraphSignature;
use super::tensor::{GraphInput, TensorValues};
use crate::manifest::ExtraInput;

/// An extra input of the manifest, with the type that the graph declares for it.
pub(crate) struct ConstantInput {
    input: ExtraInput,
    element: TensorElementType,
}

impl ConstantInput {
    /// Matches the extra inputs of a manifest with the graph. The error is a reason for a person.
    pub(crate) fn resolve(
        signature: &GraphSignature,
        inputs: &[ExtraInput],
    ) -> Result<Vec<ConstantInput>, String> {
        inputs.iter().map(|input| ConstantInput::matched(signature, input)).collect()
    }

    fn matched(signature: &GraphSignature, input: &ExtraInput) -> Result<ConstantInput, String> {
        use TensorElementType::{Float16, Float32, Int32, Int64};
        let spec = signature.input(&input.name, input.shape.len())?;
        let fits = spec.shape.iter().zip(&input.shape).all(|(has, given)| *has < 0 || has == given);
        match spec.element {
            Some(element @ (Int64 | Int32 | Float32 | Float16)) if fits => {
                Ok(ConstantInput { input: input.clone(), element })
            }
            _ => Err(format!(
                "the extra input `{}` is {:?} of the shape {:?}, \
                 and the manifest gives {:?} of i64, i32, f32 or f16",
                input.name, spec.element, spec.shape, input.shape
            )),
        }
    }

    /// The input for a run of `rows` pictures or texts.
    pub(crate) fn fill(&self, rows: usize) -> GraphInput {
        // A negative size stands for the batch. The manifest's check allows no other below 1.
        let shape: Vec<usize> =
            self.input.shape.iter().map(|size| usize::try_from(*size).unwrap_or(rows)).collect();
        let count = shape.iter().product();
        let fill = self.input.fill;
        let values = match self.element {
            TensorElementType::Int64 => TensorValues::I64(vec![fill as i64; count]),
            TensorElementType::Int32 => TensorValues::I32(vec![fill as i32; count]),
            TensorElementType::Float16 => TensorValues::F16(vec![half::f16::from_f32(fill); count]),
            _ => TensorValues::F32(vec![fill; count]),
        };
        GraphInput { name: self.input.name.clone(), shape, values }
    }
}
