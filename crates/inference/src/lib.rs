#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that fails may panic"))]

// Pictures to sentences.
pub mod captioner;

// Pictures and sentences to keywords.
pub mod keywords;

// Models by name, from other people's folders, and compared with their reference.
pub mod catalogue;
pub mod gate;
pub mod golden;
pub mod import;

// From the file to the vector: decode a picture, shape it for the model, run the model.
mod batch_size;
mod budget;
mod embedding;
mod error;
mod extra;
mod files;
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

pub use budget::{Budget, Share};
pub use embedding::Embedding;
pub use error::ModelError;
pub use image_encoder::ImageEncoder;
pub use manifest::{
    ExtraInput, FileRole, Golden, ImageTower, Manifest, ModelFile, PixelOrder, Precision,
    ResampleFilter, ResizeMode, Score, ScoreKind, TextTower,
};
pub use model::{Model, installed};
pub use picture::{
    Detail, HeldPicture, Metadata, Picture, PictureError, PictureFormat, PictureLimits, decode,
    decode_within,
};
pub use preprocess::Pixels;
pub use provider::{Placement, Provider};
pub use runtime::{Runtime, RuntimeSettings};
pub use text_encoder::TextEncoder;

/// Documented defaults of `[runtime]`.
pub const DEFAULTS: &str = include_str!("../settings.toml");
