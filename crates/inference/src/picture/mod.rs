//! Pictures: from the bytes of a file to upright RGB pixels.

mod decode;
mod error;
mod format;
mod jpeg_end;
mod metadata;
mod miniature;

use image::RgbImage;
use serde::Deserialize;

pub use decode::decode;
pub use error::PictureError;
pub use format::PictureFormat;
pub use metadata::Metadata;

/// A decoded picture, as a person would see it.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The pixels: turned upright, transparency laid over white, 8 bits per channel.
    pub rgb: RgbImage,
    /// Format of the file.
    pub format: PictureFormat,
    /// Width in pixels, as displayed.
    pub width: u32,
    /// Height in pixels, as displayed.
    pub height: u32,
    /// The EXIF orientation found in the file, 1 to 8, already applied to the pixels. 1 where there was none.
    pub orientation: u8,
    /// What the camera wrote about the picture.
    pub metadata: Metadata,
}

/// What a picture may cost. All limits are checked against the file's header, before any pixel is decoded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PictureLimits {
    /// Largest file, in bytes.
    pub max_bytes: u64,
    /// Most pixels, width x height.
    pub max_pixels: u64,
    /// Longest side, in pixels.
    pub max_side: u32,
    /// Most bytes a decoder may allocate, its result counted: 3 to 8 per pixel for common files. Up to 4 more per pixel
    /// are needed to turn the result upright.
    pub max_decoded_bytes: u64,
}

impl Default for PictureLimits {
    fn default() -> Self {
        PictureLimits { max_bytes: 64 << 20, max_pixels: 100_000_000, max_side: 30_000, max_decoded_bytes: 512 << 20 }
    }
}
