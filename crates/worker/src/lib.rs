#![doc = include_str!("../README.md")]

mod facts;
pub mod failure;
mod model;
mod picture;
mod process;
mod removal;
mod rows;
mod serve;
mod settings;
mod status;

pub use facts::facts;
pub use model::{model_may_appear, space_of, start_runtime};
pub use picture::PictureSettings;
pub use process::{WorkerProcess, run};
pub use rows::existing_ids;
pub use serve::Assignment;
pub use settings::WorkerSettings;
pub use status::status_router;

/// Documented defaults of `[fetch]`.
pub const DEFAULTS: &str = include_str!("../settings.toml");
