//! Vectors of pictures or captions: the nearest ones, and the cosine of each.

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
