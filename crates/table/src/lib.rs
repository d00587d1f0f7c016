#![doc = include_str!("../README.md")]

pub mod embeddings;
pub mod filter;
pub mod images;
pub mod ledger;
pub mod location;
pub mod probe;
pub mod schema;

mod creation;
mod error;
mod newest;

pub use error::TableError;
pub use location::Database;
