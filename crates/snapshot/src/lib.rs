#![doc = include_str!("../README.md")]

pub mod bits;
pub mod column;
pub mod ids;
pub mod pictures;
pub mod records;
pub mod saved;
pub mod sections;
pub mod vectors;
pub mod words;
