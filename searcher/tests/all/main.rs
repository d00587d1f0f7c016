//! The program `searcher` over HTTP.
//!
//! One program for all of them, because each carries the whole table library: half a gigabyte, and
//! seconds of linking.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod captioned_library;
mod cursors;
mod encoding;
mod hosts;
mod http;
mod hybrid;
mod hybrid_pages;
mod image_urls;
mod keys;
mod library;
mod limits;
mod local_files;
mod oracle;
mod paging;
mod pictures;
mod settings;
mod vectors;
