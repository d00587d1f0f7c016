//! The development store behind ordinary S3 clients.
//!
//! One program for all of them, because each links the whole table library: half a gigabyte and
//! seconds of linking.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod counts;
mod listings;
mod notifications;
mod objects;
mod pages;
mod races;
mod server;
mod tables;
