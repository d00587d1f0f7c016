//! Exchanges and queues: their names, their arguments, and the one place that declares them.
//!
//! Everything is durable and every argument explicit. The arguments are part of the contract: the
//! broker refuses (406) a declaration that differs, so changing one means a new version in the
//! namespace.

mod declare;
mod depth;
mod names;
mod queue;
mod remove;

pub use declare::TopologyMode;
pub use depth::Depths;
pub(crate) use depth::depth;
pub use names::{RETRY_LADDER, Topology};
pub(crate) use queue::QueueSpec;
