//! ONNX Runtime: start the library, load a graph on the best execution provider, run it on a thread
//! of its own.
//!
//! Nothing here knows what a graph computes. The encoders and the captioner do.

mod assigned_nodes;
mod batch_size;
mod constant_input;
mod model_thread;
mod placement;
mod provider;
mod runtime;
mod session;
mod signature;
mod tensor;

pub use placement::Placement;
pub use provider::Provider;
pub use runtime::{Runtime, RuntimeSettings};

pub(crate) use batch_size::{BatchSize, DefaultBatch};
pub(crate) use constant_input::ConstantInput;
pub(crate) use model_thread::ModelThread;
pub(crate) use session::Graph;
pub(crate) use signature::{GraphSignature, MAX_FIXED_BATCH, TensorSpec};
pub(crate) use tensor::{GraphInput, Matrix, TensorValues, floats, run_graph};
