#![doc = include_str!("../README.md")]

mod facts;
pub mod failure;
mod model;
mod picture;
mod process;
mod removal;
mod rows;
mod serve;
mod status;

pub use facts::facts;
pub use model::{is_missing, space_of, start_runtime};
pub use picture::PictureSettings;
pub use process::{WorkerProcess, WorkerSettings, run};
pub use rows::existing;
pub use serve::Assignment;
pub use status::router;

/// Documented defaults of `[fetch]`.
pub const DEFAULTS: &str = include_str!("../settings.toml");
