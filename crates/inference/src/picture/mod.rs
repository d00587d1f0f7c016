//! Pictures: from the bytes of a file to upright RGB pixels.

mod coded;
mod colour;
mod decode;
mod error;
mod format;
#[cfg(feature = "heif")]
mod heif;
mod jpeg;
mod jpeg_end;
mod metadata;
mod miniature;
mod reduced;
mod tiff_layout;
#[cfg(feature = "fast-jpeg")]
mod turbo;

use std::ops::Deref;

use image::RgbImage;
use serde::Deserialize;

pub use decode::{decode, decode_within};
pub use error::PictureError;
pub use format::PictureFormat;
pub use metadata::Metadata;

use crate::budget::Share;

/// A decoded picture, as a person would see it.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The pixels: turned upright, transparency laid over white, 8 bits per channel, sRGB. With
    /// [`Detail::ShortSide`] there may be fewer of them than the file has.
    pub rgb: RgbImage,
    /// Format of the file.
    pub format: PictureFormat,
    /// Width of the whole picture in pixels, as displayed.
    pub width: u32,
    /// Height of the whole picture in pixels, as displayed.
    pub height: u32,
    /// The EXIF orientation found in the file, 1 to 8, already applied to the pixels. 1 where there
    /// was none.
    pub orientation: u8,
    /// What the camera wrote about the picture.
    pub metadata: Metadata,
}

/// A picture and its part of the [`Budget`](crate::Budget) it was decoded within, given back when
/// this is dropped.
#[derive(Debug)]
pub struct HeldPicture {
    picture: Picture,
    _share: Share,
}

impl Deref for HeldPicture {
    type Target = Picture;

    fn deref(&self) -> &Picture {
        &self.picture
    }
}

/// How many of its pixels a picture is needed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// All of them.
    Whole,
    /// As many as scaling the short side to so many pixels needs. A JPEG is then decoded at a half,
    /// a quarter or an eighth of its size, the smallest whose short side keeps at least twice the
    /// pixels asked for; that costs a fraction of the time and the memory. Scaled down to what was
    /// asked for, it differs from the whole picture by a fraction of a level of 255 (PSNR some 50
    /// dB, in detailed pictures at exactly twice the pixels down to 42 dB). Other formats are
    /// decoded whole.
    ShortSide(u32),
}

/// What a picture may cost. All limits are checked against the file's header, before any pixel is
/// decoded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PictureLimits {
    /// Largest file, in bytes.
    pub max_bytes: u64,
    /// Most pixels, width x height.
    pub max_pixels: u64,
    /// Longest side, in pixels.
    pub max_side: u32,
    /// Most bytes a decoder may allocate, its result counted: 3 to 8 per pixel it gives, and as
    /// much again for JPEG files of several scans (progressive ones). Up to 4 more per pixel are
    /// needed to turn the result upright.
    pub max_decoded_bytes: u64,
}

impl Default for PictureLimits {
    fn default() -> Self {
        PictureLimits {
            max_bytes: 64 << 20,
            max_pixels: 100_000_000,
            max_side: 30_000,
            max_decoded_bytes: 512 << 20,
        }
    }
}
