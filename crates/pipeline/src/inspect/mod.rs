//! Looking at store and broker from outside, to find out what is wrong. Changes nothing.

mod broker;
mod greeting;
mod store;

pub use broker::{BrokerAnswer, BrokerPart, PartState, broker};
pub use store::StoreAnswer;
