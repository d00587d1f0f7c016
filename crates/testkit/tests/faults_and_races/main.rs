//! Faults and races.
//!
//! One program for all of them, because each links the whole table library: half a gigabyte and
//! seconds of linking.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod races;
mod traps;
