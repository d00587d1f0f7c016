#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that fails may panic"))]

// From the file to the vector: decode a picture, shape it for the model, run the model.
mod batch_size;
mod embedding;
mod error;
mod image_encoder;
mod lane;
mod manifest;
mod model;
mod picture;
mod placement;
mod ports;
mod preprocess;
mod provider;
mod resize;
mod runtime;
mod source;
mod text_encoder;
mod tokens;

pub use embedding::Embedding;
pub use error::ModelError;
pub use image_encoder::ImageEncoder;
pub use manifest::{FileRole, Filter, ImageTower, Manifest, ModelFile, ResizeMode, Score, ScoreKind, TextTower};
pub use model::Model;
pub use picture::{Metadata, Picture, PictureError, PictureFormat, PictureLimits, decode};
pub use preprocess::Pixels;
pub use provider::{Placement, Provider};
pub use runtime::{Runtime, RuntimeSettings};
pub use text_encoder::TextEncoder;
