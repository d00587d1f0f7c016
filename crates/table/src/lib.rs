#![doc = include_str!("../README.md")]

pub mod candidates;
pub mod calibration;
pub mod captions;
pub mod duplicates;
pub mod embeddings;
pub mod filter;
pub mod images;
pub mod inspect;
pub mod keyword;
pub mod ledger;
pub mod location;
pub mod maintain;
pub mod overlap;
pub mod probe;
pub mod rows;
pub mod schema;
pub mod stats;
pub mod timeline;
pub mod words;

mod conflict;
mod creation;
mod error;
mod expression;
mod newest;
mod search_plan;
mod space;
mod store;
mod vector_search;

pub use error::TableError;
pub use location::Database;
pub use newest::NewestIds;
