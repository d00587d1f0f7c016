//! The store as the table library reaches it: every request is counted, and reads of immutable
//! objects go through a cache on local disk, where a process has one.
//!
//! ```text
//! table library ──> CachedStore ──> CountedStore ──> S3
//!                      │  └─ Flights: one request for a block, however many ask for it
//!                      └─ BlockCache: memory, then files below a folder
//! ```

mod block;
mod block_cache;
mod block_reader;
mod cached_store;
mod counted_store;
mod flights;
#[cfg(test)]
mod tests;
mod wrapper;

pub(crate) use block_cache::BlockCache;
pub(crate) use wrapper::StoreWrapper;
