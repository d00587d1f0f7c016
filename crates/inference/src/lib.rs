#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that fails may panic"))]

// A file becomes a picture.
mod picture;

// A picture becomes pixels, a text becomes token ids, as the model needs them.
mod canonical;
mod pixel_input;
mod preprocess;
mod resize;
mod token_input;
mod tokens;

// ONNX Runtime runs the graph.
mod onnx;

// The encoders return vectors, the captioner returns sentences, the tagger returns keywords.
pub mod captioner;
mod embedding;
mod image_encoder;
pub mod keywords;
mod text_encoder;
mod tower;

// Models are data: a manifest and files.
pub mod catalogue;
mod error;
pub mod import;
mod manifest;
mod model;

// Comparisons of a model with its reference.
pub mod gate;
pub mod golden;

pub use embedding::Embedding;
pub use error::ModelError;
pub use image_encoder::ImageEncoder;
pub use manifest::{
    ExtraInput, FileRole, Golden, ImageTower, Manifest, ModelFile, PixelOrder, Precision,
    ResampleFilter, ResizeMode, Score, ScoreKind, TextTower,
};
pub use model::{Model, installed};
pub use onnx::{Placement, Provider, Runtime, RuntimeSettings};
pub use picture::{
    Budget, BudgetShare, Detail, HeldPicture, Metadata, Picture, PictureError, PictureFormat,
    PictureLimits, decode, decode_within,
};
pub use preprocess::Pixels;
pub use text_encoder::TextEncoder;

/// The settings `[runtime]` with their documented defaults.
pub const DEFAULTS: &str = include_str!("../settings.toml");
