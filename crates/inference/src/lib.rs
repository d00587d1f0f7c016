#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that fails may panic"))]

// From the file to the vector: decode a picture, shape it for the model, run the model.
mod budget;
mod embedding;
mod error;
mod image_encoder;
mod lane;
mod manifest;
mod model;
mod picture;
mod ports;
mod preprocess;
mod resize;
mod runtime;
mod source;
mod text_encoder;
mod tokens;

pub use budget::{Budget, Share};
pub use embedding::Embedding;
pub use error::ModelError;
pub use image_encoder::ImageEncoder;
pub use manifest::{FileRole, Filter, ImageTower, Manifest, ModelFile, ResizeMode, Score, ScoreKind, TextTower};
pub use model::Model;
pub use picture::{Detail, HeldPicture, Metadata, Picture, PictureError, PictureFormat, PictureLimits, decode, decode_within};
pub use preprocess::Pixels;
pub use runtime::{Runtime, RuntimeSettings};
pub use text_encoder::TextEncoder;
