//! Pictures: from the bytes of a file to upright RGB pixels.

mod budget;
mod codecs;
mod colour;
mod decode;
mod error;
mod format;
#[cfg(feature = "heif")]
mod heif;
mod jpeg;
mod jpeg_scans;
mod metadata;
mod thumbnail;
mod reduced;
mod request;
mod tiff_layout;
#[cfg(feature = "fast-jpeg")]
mod turbo;

use std::ops::Deref;

use image::RgbImage;
use serde::Deserialize;

pub use budget::{Budget, BudgetShare};
pub use decode::{decode, decode_within};
pub use error::PictureError;
pub use format::PictureFormat;
pub use metadata::Metadata;

/// A decoded picture, upright and in sRGB.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The pixels: upright, transparency over white, 8 bits per channel, sRGB. With
    /// [`Detail::ShortSide`] there may be fewer pixels than in the file.
    pub rgb: RgbImage,
    /// Format of the file.
    pub format: PictureFormat,
    /// Width of the whole picture in pixels, upright.
    pub width: u32,
    /// Height of the whole picture in pixels, upright.
    pub height: u32,
    /// The EXIF orientation of the file, 1 to 8, already applied to the pixels. 1 if it has none.
    pub orientation: u8,
    /// The camera's metadata.
    pub metadata: Metadata,
}

/// A picture with its share of the [`Budget`]. Dropping it gives the share back.
#[derive(Debug)]
pub struct HeldPicture {
    picture: Picture,
    _share: BudgetShare,
}

impl Deref for HeldPicture {
    type Target = Picture;

    fn deref(&self) -> &Picture {
        &self.picture
    }
}

/// How many pixels of a picture are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// All of them.
    Whole,
    /// Enough pixels to scale the short side to this many pixels.
    ///
    /// A JPEG is decoded at 1/2, 1/4 or 1/8 of its size, at a fraction of the time and memory: the
    /// smallest size whose short side keeps at least twice the requested pixels. Scaled down to the
    /// requested size, it differs from the whole picture by a fraction of a level of 255 (PSNR
    /// about 50 dB; 42 dB in detailed pictures at exactly twice the pixels). Other formats are
    /// decoded whole.
    ShortSide(u32),
}

/// Limits on the cost of decoding. All limits are checked against the file's header, before any
/// pixel is decoded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PictureLimits {
    /// Largest file, in bytes.
    pub max_bytes: u64,
    /// Greatest number of pixels, width x height.
    pub max_pixels: u64,
    /// Longest side, in pixels.
    pub max_side: u32,
    /// Greatest number of bytes that a decoder may allocate, including its result: 3 to 8 per
    /// decoded pixel, and as many again for a JPEG with several scans (a progressive one). Turning
    /// the result upright takes up to 4 bytes per pixel more.
    pub max_decoded_bytes: u64,
    /// Greatest number of pixels times scans of a JPEG. Every scan passes over the whole picture
    /// again, so this bounds the time that decoding takes.
    pub max_scanned_pixels: u64,
}

impl Default for PictureLimits {
    fn default() -> Self {
        PictureLimits {
            max_bytes: 64 << 20,
            max_pixels: 100_000_000,
            max_side: 30_000,
            max_decoded_bytes: 512 << 20,
            max_scanned_pixels: u64::MAX,
        }
    }
}
