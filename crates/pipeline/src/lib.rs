#![doc = include_str!("../README.md")]

// In the order in which an image passes through.
pub mod object;
pub mod bucket;
pub mod event;
pub mod filter;
pub mod job;
pub mod topology;
pub mod connection;
pub mod publish;
pub mod consume;
pub mod batch;
pub mod stage;
pub mod failure;
pub mod worker;
pub mod settle;
pub mod dead;
pub mod depths;

// What every process has.
pub mod health;
pub mod service;
pub mod settings;
pub mod telemetry;

pub use failure::{Action, Failure};
pub use object::{ImageId, ObjectRef};
pub use settings::SettingsError;
