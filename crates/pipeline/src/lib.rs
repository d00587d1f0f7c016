#![doc = include_str!("../README.md")]

// In the order in which an image passes through.
pub mod object;
pub mod bucket;
pub mod event;
pub mod listen;
pub mod event_queue;
pub mod filter;
pub mod job;
pub mod topology;
pub mod connection;
pub mod publish;
pub mod delivery;
pub mod consume;
pub mod batch;
pub mod stage;
pub mod stage_kind;
pub mod stage_name;
pub mod failure;
pub mod switch;
pub mod worker;
mod session;
mod fetch;
mod plan;
mod infer;
mod write;
mod halt;
pub mod settle;
pub mod dead;
pub mod depths;
pub mod inspect;
pub mod state;
pub mod models;
pub mod caption_prompt;

/// Documented defaults of the sections of bucket and broker.
pub const DEFAULTS: &str = include_str!("../settings.toml");

pub use failure::{Action, Failure};
pub use object::{ImageId, ObjectRef};
