//! Vectors of pictures or captions: the nearest ones, and the cosine of each.
//!
//! A search goes through `nearest` (which way), `walk` (which lists), `asked` (an estimate for each
//! row, by the products of `query`) and `candidates` (which rows are read). A change goes through
//! `version`, `coder` (`rotation`, then `encode`) and, in the background, `listing` and `train`.

mod allowed;
mod asked;
mod candidates;
mod coder;
mod codes;
mod encode;
mod error;
mod exact;
mod file;
mod listing;
mod lists;
mod nearest;
mod products;
mod query;
mod rotation;
mod slots;
mod store;
mod train;
mod version;
mod walk;

#[cfg(test)]
mod tests;

pub use allowed::Allowed;
pub use error::VectorError;
pub use exact::Near;
pub use file::{Damaged, VectorFile};
pub use products::dot;
pub use version::Vectors;
