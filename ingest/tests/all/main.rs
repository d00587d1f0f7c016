//! The program `ingest` with a real broker and store.
//!
//! One program for all of them, because each carries the whole table library: half a gigabyte, and
//! seconds of linking.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod dead;
mod doctor;
mod doors;
mod front;
mod openapi;
mod operate;
mod settings;
