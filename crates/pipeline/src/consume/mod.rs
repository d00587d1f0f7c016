//! Consuming: deliveries on loan from the broker. The work queue comes first, the bulk queue in
//! between, and suspects are fetched one at a time when the worker asks.

mod consumer;
mod job_consumers;
mod subscription;
mod suspects;
mod task;

pub use crate::delivery::{Delivery, JobQueue};
pub use consumer::Consumer;
pub use subscription::Subscription;
pub(crate) use suspects::{SUSPECT_ROUND, Suspects};
