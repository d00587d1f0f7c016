//! A lane: one thread that owns one ONNX Runtime session and answers one request after the other.
//!
//! A session may be run by one caller at a time. Instead of a lock that a panic could poison, the
//! session never leaves its thread; callers wait on a channel that holds one request, so work piles
//! up with the callers and not here.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use ort::session::{OutputSelector, RunOptions, Session, SessionInputValue};
use ort::value::{DynValue, Tensor, TensorElementType};

use crate::ports::Ports;
use crate::provider::{self, Placement};
use crate::source::Graph;
use crate::{ModelError, Runtime};

/// One input of a run: name in the graph, shape, values.
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Values,
}

/// The types of values the graphs of encoders take.
pub(crate) enum Values {
    F32(Vec<f32>),
    F16(Vec<half::f16>),
    I64(Vec<i64>),
    I32(Vec<i32>),
}

impl Values {
    /// Floating point values as the graph wants them. Values beyond the range of f16 become
    /// infinite there.
    pub(crate) fn floats(values: Vec<f32>, half: bool) -> Values {
        if half {
            Values::F16(values.into_iter().map(half::f16::from_f32).collect())
        } else {
            Values::F32(values)
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
    /// Itself, if it has one row of `dim` values per input: anything else would give vectors to the
    /// wrong inputs.
    pub(crate) fn expect(self, model: &str, rows: usize, dim: usize) -> Result<Matrix, ModelError> {
        if (self.rows, self.columns) == (rows, dim) {
            return Ok(self);
        }
        let reason = format!(
            "the graph gave {} x {} values for {rows} inputs of dim {dim}",
            self.rows, self.columns
        );
        Err(ModelError::Manifest { model: model.to_owned(), reason })
    }

    /// Without the rows after the first `rows`: those that only filled up a batch of fixed size.
    pub(crate) fn keep(mut self, rows: usize) -> Matrix {
        self.rows = self.rows.min(rows);
        self.values.truncate(self.rows * self.columns);
        self
    }
}

/// What a caller wants done with the session. It answers its caller itself.
type Request = Box<dyn FnOnce(&mut Session) + Send>;

/// The sending side. Dropping it ends the thread, after the run it is at.
pub(crate) struct Lane {
    model: String,
    tower: &'static str,
    requests: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Lane {
    /// Starts the thread, loads the graph on it, and says what the graph declares and what runs it.
    pub(crate) fn start(
        runtime: &Runtime,
        model: &str,
        tower: &'static str,
        graph: Graph,
    ) -> Result<(Lane, Ports, Placement), ModelError> {
        let failed = |reason: String| ModelError::Load { model: model.to_owned(), tower, reason };
        let runtime = runtime.clone();
        let (requests, queue) = sync_channel(1);
        let (loaded, ready) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name(format!("{model} {tower}"))
            .spawn(move || {
                let session = catch_unwind(AssertUnwindSafe(|| provider::load(&runtime, &graph)));
                match session
                    .unwrap_or_else(|_| Err(String::from("ONNX Runtime's binding panicked")))
                {
                    Ok((session, placement)) => {
                        let ports = Ports::of(&session);
                        if loaded.send(Ok((ports, placement))).is_ok() {
                            serve(session, &queue);
                        }
                    }
                    // The caller waits for this; it can only be gone if its own thread is.
                    Err(reason) => drop(loaded.send(Err(reason))),
                }
            })
            .map_err(|error| failed(format!("its thread did not start: {error}")))?;
        let (ports, placement) =
            ready.recv().map_err(|_| failed(String::from("its thread died")))?.map_err(failed)?;
        placement.log(model, tower);
        Ok((
            Lane { model: model.to_owned(), tower, requests: Some(requests), thread: Some(thread) },
            ports,
            placement,
        ))
    }

    /// Runs the graph and returns one of its outputs. Waits for its turn.
    pub(crate) fn run(&self, inputs: Vec<Input>, output: &str) -> Result<Matrix, ModelError> {
        let output = output.to_owned();
        self.work(move |session| run(session, inputs, &output))
    }

    /// Works with the session on its thread: for what takes several runs. Waits for its turn.
    pub(crate) fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<T, String> + Send + 'static,
    ) -> Result<T, ModelError> {
        let stopped = || ModelError::Stopped { model: self.model.clone(), tower: self.tower };
        let (answer, result) = sync_channel(1);
        let requests = self.requests.as_ref().ok_or_else(stopped)?;
        let request: Request = Box::new(move |session| {
            let worked = catch_unwind(AssertUnwindSafe(|| work(session)));
            // A caller that stopped waiting is no reason to stop serving the others.
            drop(answer.send(
                worked.unwrap_or_else(|_| Err(String::from("ONNX Runtime's binding panicked"))),
            ));
        });
        requests.send(request).map_err(|_| stopped())?;
        let result = result.recv().map_err(|_| stopped())?;
        result.map_err(|reason| ModelError::Run {
            model: self.model.clone(),
            tower: self.tower,
            reason,
        })
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // Closing the channel ends the thread; waiting for it means that no run is under way when
        // the process exits.
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(mut session: Session, queue: &Receiver<Request>) {
    for request in queue {
        request(&mut session);
    }
}

fn run(session: &mut Session, inputs: Vec<Input>, output: &str) -> Result<Matrix, String> {
    let (shape, values) = floats(&raw(session, inputs, output)?)?;
    match shape.iter().map(|size| usize::try_from(*size)).collect::<Result<Vec<_>, _>>().as_deref()
    {
        Ok([rows, columns]) => Ok(Matrix { rows: *rows, columns: *columns, values }),
        _ => Err(format!(
            "its output `{output}` has the shape {shape:?} and batch x dimension is needed"
        )),
    }
}

/// One output of a run, as ONNX Runtime holds it. Only the wanted output is computed to the end:
/// graphs often give all hidden states as well.
pub(crate) fn raw(
    session: &mut Session,
    inputs: Vec<Input>,
    output: &str,
) -> Result<DynValue, String> {
    let inputs = inputs
        .into_iter()
        .map(tensor)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    let options = RunOptions::new()
        .map_err(|error| error.to_string())?
        .with_outputs(OutputSelector::no_default().with(output));
    let mut outputs =
        session.run_with_options(inputs, &options).map_err(|error| error.to_string())?;
    outputs.remove(output).ok_or_else(|| format!("it gave no output `{output}`"))
}

/// Shape and values of an output; half-precision values are widened, which is exact.
pub(crate) fn floats(value: &DynValue) -> Result<(Vec<i64>, Vec<f32>), String> {
    if value.dtype().tensor_type() == Some(TensorElementType::Float16) {
        let (shape, values) =
            value.try_extract_tensor::<half::f16>().map_err(|error| error.to_string())?;
        return Ok((shape.to_vec(), values.iter().map(|value| value.to_f32()).collect()));
    }
    let (shape, values) = value.try_extract_tensor::<f32>().map_err(|error| error.to_string())?;
    Ok((shape.to_vec(), values.to_vec()))
}

type NamedValue = (Cow<'static, str>, SessionInputValue<'static>);

fn tensor(input: Input) -> ort::Result<NamedValue> {
    let Input { name, shape, values } = input;
    let value: SessionInputValue<'static> = match values {
        Values::F32(values) => Tensor::from_array((shape, values))?.into(),
        Values::F16(values) => Tensor::from_array((shape, values))?.into(),
        Values::I64(values) => Tensor::from_array((shape, values))?.into(),
        Values::I32(values) => Tensor::from_array((shape, values))?.into(),
    };
    Ok((Cow::Owned(name), value))
}
