#![doc = include_str!("../README.md")]

// What travels, in the order in which an image passes through.
pub mod object;
pub mod bucket;
pub mod event;
pub mod listen;
pub mod event_queue;
pub mod filter;
pub mod job;
pub mod headers;

// How it travels.
mod broker_error;
pub mod topology;
pub mod connection;
pub mod publish;
mod queue_consumer;
mod ack;
pub mod delivery;
pub mod consume;

// What a worker does with it.
pub mod stage_kind;
mod model_id;
pub mod stage_name;
pub mod stage;
pub mod batch;
pub mod failure;
pub mod worker;
pub mod settle;

// What operators see and change.
pub mod dead;
pub mod depths;
pub mod inspect;
pub mod state;
pub mod switch;
pub mod models;
pub mod caption_prompt;

mod excerpt;

/// Documented defaults of the sections of bucket and broker.
pub const DEFAULTS: &str = include_str!("../settings.toml");

pub use failure::{Action, Failure};
pub use object::{ImageId, ObjectRef};
