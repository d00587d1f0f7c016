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
pub mod question;

// What every process has.
pub mod access;
pub mod own_site;
pub mod health;
pub mod paper;
pub mod problem;
pub mod front;
mod connections;
pub mod service;
mod reload;
pub mod settings;
pub mod telemetry;

/// Of all programs. The system's allocator keeps what many threads have given back in parts of its
/// own, and the memory of a process that decodes pictures of very different sizes grows for hours.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use failure::{Action, Failure};
pub use object::{ImageId, ObjectRef};
pub use settings::SettingsError;
