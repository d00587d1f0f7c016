//! Parity: models of every family give the same pixels, tokens and vectors as their reference
//! libraries.
//!
//! infra/train/parity/make.py wrote the folders beside this file. They hold small models with
//! random weights in the layouts of public repositories, and the results of Hugging Face's
//! processors and tokenizers and of PyTorch for six pictures and eleven texts. Each model is
//! imported first.

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
