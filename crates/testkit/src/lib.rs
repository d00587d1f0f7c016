#![doc = include_str!("../README.md")]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking, with the name of what is missing"
)]

mod broker;
mod failed_job;
mod model;
mod pictures;
mod process;
mod proxy_listener;
mod settings;
mod store;
mod store_proxy;
mod supervisor;
mod wait;
mod wire_proxy;
mod world;

pub use broker::Broker;
pub use failed_job::FailedJob;
pub use model::copy_demo_model;
pub use pictures::{broken, draw_scenes, solid_jpeg};
pub use process::Process;
pub use settings::{prints_paper, prints_settings, refuses_settings};
pub use store::Store;
pub use store_proxy::{Fault, Rule, StoreProxy};
pub use supervisor::{ProgramHistory, Supervisor};
pub use wait::{eventually, within};
pub use wire_proxy::WireProxy;
pub use world::{DeadMessage, FoundPicture, ProxyOptions, Supervised, World};
