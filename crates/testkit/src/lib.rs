//! What tests of the whole run on: a real broker, a real S3 server, real processes, each test isolated by name.
//!
//! Nothing here is skipped when something is missing: a test without its broker fails and says how to get one.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking, with the name of what is missing")]

mod pictures;
mod process;
mod settings;
mod store;
mod world;

pub use pictures::{broken, draw_scenes, solid_jpeg};
pub use process::Process;
pub use settings::{prints_settings, refuses_settings};
pub use store::Store;
pub use world::{Hit, World, eventually};
