#![doc = include_str!("../README.md")]

pub mod pictures;
pub mod vectors;
pub mod words;
