//! What tests of the whole run on: a real broker, a real S3 server, real processes, each test isolated by name.
//!
//! Nothing here is skipped when something is missing: a test without its broker fails and says how to get one.

mod pictures;
mod process;
mod store;
mod world;

pub use pictures::{broken, solid_jpeg, draw_scenes};
pub use process::Process;
pub use store::Store;
pub use world::{Hit, World, eventually};
