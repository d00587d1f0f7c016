//! What tests of the whole run on: a real broker, a real S3 server, real processes, each test
//! isolated by name.
//!
//! Nothing here is skipped when something is missing: a test without its broker fails and says how
//! to get one.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking, with the name of what is missing"
)]

mod broker;
mod gate;
mod burial;
mod model;
mod pictures;
mod process;
mod settings;
mod store;
mod store_proxy;
mod supervisor;
mod wire_proxy;
mod world;

pub use broker::Broker;
pub use burial::Burial;
pub use model::copy_demo_model;
pub use pictures::{broken, draw_scenes, solid_jpeg};
pub use process::Process;
pub use settings::{prints_paper, prints_settings, refuses_settings};
pub use store::Store;
pub use store_proxy::{Fault, Rule, StoreProxy};
pub use supervisor::{Fortune, Supervisor};
pub use wire_proxy::WireProxy;
pub use world::{DeadLetter, Hit, Supervised, Through, World, eventually, within};
