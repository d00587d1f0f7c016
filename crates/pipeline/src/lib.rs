#![doc = include_str!("../README.md")]

// In the order in which an image passes through.
pub mod batch;
pub mod bucket;
pub mod connection;
pub mod consume;
pub mod depths;
pub mod event;
pub mod failure;
pub mod filter;
pub mod job;
pub mod object;
pub mod publish;
pub mod settle;
pub mod dead;
pub mod stage;
pub mod topology;
pub mod worker;

// What every process has.
pub mod health;
pub mod service;
pub mod settings;
pub mod telemetry;

pub use failure::{Action, Failure};
pub use object::{ImageId, ObjectRef};
pub use settings::SettingsError;
