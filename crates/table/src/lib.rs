#![doc = include_str!("../README.md")]

pub mod candidates;
pub mod captions;
pub mod duplicates;
pub mod embeddings;
pub mod filter;
pub mod images;
pub mod inspect;
pub mod ledger;
pub mod location;
pub mod maintain;
pub mod overlap;
pub mod probe;
pub mod schema;
pub mod stats;
pub mod timeline;

mod conflict;
mod content;
mod creation;
mod error;
mod newest;
mod plan;
mod space;

pub use error::TableError;
pub use location::Database;
pub use newest::NewestIds;
