//! Tables on a real store.
//!
//! One test program for all of them, because each one links the whole table library: half a
//! gigabyte, and seconds of linking.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod calibration;
mod captions;
mod disk_cache;
mod duplicates;
mod filters;
mod index;
mod maintain;
mod probe;
mod proxied;
mod redone;
mod remade;
mod rows;
mod tables;
mod tails;
mod timeline;
