//! Tensors: the values that go into one run of a graph and come out of it.

use std::borrow::Cow;

use ort::session::{OutputSelector, RunOptions, Session, SessionInputValue};
use ort::value::{DynValue, Tensor, TensorElementType};

use crate::ModelError;

/// One input of a run.
pub(crate) struct GraphInput {
    /// Name in the graph.
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: TensorValues,
}

/// Values of one of the types that the graphs of encoders take.
pub(crate) enum TensorValues {
    F32(Vec<f32>),
    F16(Vec<half::f16>),
    I64(Vec<i64>),
    I32(Vec<i32>),
}

impl TensorValues {
    /// Floating-point values, converted to f16 where the graph needs `half` precision. Values
    /// beyond the range of f16 become infinite.
    pub(crate) fn floats(values: Vec<f32>, half: bool) -> TensorValues {
        if half {
            TensorValues::F16(values.into_iter().map(half::f16::from_f32).collect())
        } else {
            TensorValues::F32(values)
        }
    }
}

/// The output of a run: `rows` vectors of `columns` values, one after the other.
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) values: Vec<f32>,
}

impl Matrix {
    /// Refuses a matrix of another shape than one row of `dim` values per input: it would give
    /// vectors to the wrong inputs.
    pub(crate) fn of_shape(
        self,
        model: &str,
        rows: usize,
        dim: usize,
    ) -> Result<Matrix, ModelError> {
        if (self.rows, self.columns) == (rows, dim) {
            return Ok(self);
        }
        let reason = format!(
            "the graph gave {} x {} values for {rows} inputs of dim {dim}",
            self.rows, self.columns
        );
        Err(ModelError::Manifest { model: model.to_owned(), reason })
    }

    /// Drops the rows after the first `rows`, which only filled up a batch of fixed size.
    pub(crate) fn keep(mut self, rows: usize) -> Matrix {
        self.rows = self.rows.min(rows);
        self.values.truncate(self.rows * self.columns);
        self
    }
}

/// Runs the graph and reads the output as a matrix.
pub(super) fn run_to_matrix(
    session: &mut Session,
    inputs: Vec<GraphInput>,
    output: &str,
) -> Result<Matrix, String> {
    let (shape, values) = floats(&run_graph(session, inputs, output)?)?;
    let sizes = shape.iter().map(|size| usize::try_from(*size)).collect::<Result<Vec<_>, _>>();
    match sizes.as_deref() {
        Ok([rows, columns]) => Ok(Matrix { rows: *rows, columns: *columns, values }),
        _ => Err(format!(
            "its output `{output}` has the shape {shape:?} and batch x dimension is needed"
        )),
    }
}

/// Runs the graph and returns one output as ONNX Runtime holds it.
///
/// Only that output is requested, so that ONNX Runtime skips others: graphs often give all hidden
/// states as well.
pub(crate) fn run_graph(
    session: &mut Session,
    inputs: Vec<GraphInput>,
    output: &str,
) -> Result<DynValue, String> {
    let inputs = inputs
        .into_iter()
        .map(named_tensor)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    let options = RunOptions::new()
        .map_err(|error| error.to_string())?
        .with_outputs(OutputSelector::no_default().with(output));
    let mut outputs =
        session.run_with_options(inputs, &options).map_err(|error| error.to_string())?;
    outputs.remove(output).ok_or_else(|| format!("it gave no output `{output}`"))
}

/// Shape and values of an output. Half-precision values are widened, which is exact.
pub(crate) fn floats(value: &DynValue) -> Result<(Vec<i64>, Vec<f32>), String> {
    if value.dtype().tensor_type() == Some(TensorElementType::Float16) {
        let (shape, values) =
            value.try_extract_tensor::<half::f16>().map_err(|error| error.to_string())?;
        return Ok((shape.to_vec(), values.iter().map(|value| value.to_f32()).collect()));
    }
    let (shape, values) = value.try_extract_tensor::<f32>().map_err(|error| error.to_string())?;
    Ok((shape.to_vec(), values.to_vec()))
}

type NamedTensor = (Cow<'static, str>, SessionInputValue<'static>);

fn named_tensor(input: GraphInput) -> ort::Result<NamedTensor> {
    let GraphInput { name, shape, values } = input;
    let value: SessionInputValue<'static> = match values {
        TensorValues::F32(values) => Tensor::from_array((shape, values))?.into(),
        TensorValues::F16(values) => Tensor::from_array((shape, values))?.into(),
        TensorValues::I64(values) => Tensor::from_array((shape, values))?.into(),
        TensorValues::I32(values) => Tensor::from_array((shape, values))?.into(),
    };
    Ok((Cow::Owned(name), value))
}
