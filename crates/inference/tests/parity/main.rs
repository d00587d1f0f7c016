//! Models of every family give what the libraries they come from give: same pixels, same tokens,
//! same vectors.
//!
//! The folders beside this file were written by infra/train/parity/make.py: small models with random
//! weights in the layouts of public repositories, with what Hugging Face's processors and
//! tokenizers and PyTorch made of six pictures and eleven texts. Each is imported by our importer
//! first.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod batches;
mod captions;
mod fixture;
mod gate;
mod golden;
mod import;
mod layers;
mod mistakes;
mod precision;
#[path = "../runtime/mod.rs"]
mod runtime;
