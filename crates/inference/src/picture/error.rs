//! The errors of decoding.

use super::PictureFormat;

/// Why a file could not be decoded. None of these errors goes away by trying again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file has no bytes.
    #[error("the file is empty")]
    EmptyFile,

    /// The bytes are in no known picture format.
    #[error("the content is not a picture: it starts like none of the known formats")]
    NotAPicture,

    /// The picture has a format, or a variant of one, that this crate does not decode.
    #[error("{what} pictures are not supported: convert it to JPEG, PNG, WebP, GIF, BMP or TIFF")]
    UnsupportedFormat {
        /// The format or the variant.
        what: String,
    },

    /// The file begins like a picture, but is cut short or damaged.
    #[error("the {} data is damaged or cut short: {reason}", format.as_str())]
    CorruptPicture {
        /// Format of the file.
        format: PictureFormat,
        /// The error of the decoder.
        reason: String,
    },

    /// The file is larger than the limit.
    #[error("the file has {bytes} bytes, more than the limit of {limit} bytes")]
    TooManyBytes {
        /// Size of the file.
        bytes: u64,
        /// The limit.
        limit: u64,
    },

    /// The picture has more pixels than the limit.
    #[error("the header says {width} x {height} pixels, more than the limit of {limit} pixels")]
    TooManyPixels {
        /// Width in pixels, as stored.
        width: u32,
        /// Height in pixels, as stored.
        height: u32,
        /// The limit.
        limit: u64,
    },

    /// A side of the picture is longer than the limit.
    #[error(
        "the header says {width} x {height} pixels, \
         with a side longer than the limit of {limit} pixels"
    )]
    SideTooLong {
        /// Width in pixels, as stored.
        width: u32,
        /// Height in pixels, as stored.
        height: u32,
        /// The limit.
        limit: u32,
    },

    /// Decoding needs more memory than the limit.
    #[error("decoding {width} x {height} pixels needs more memory than the limit of {limit} bytes")]
    TooMuchMemory {
        /// Width in pixels, as stored.
        width: u32,
        /// Height in pixels, as stored.
        height: u32,
        /// The limit.
        limit: u64,
    },

    /// A JPEG has more scans than the limit allows for its size.
    #[error("{scans} scans of {pixels} pixels are more than the limit of {limit} scanned pixels")]
    TooManyScans {
        /// Number of scans.
        scans: usize,
        /// Pixels of the picture.
        pixels: u64,
        /// The limit on their product.
        limit: u64,
    },

    /// The decoder panicked.
    #[error("the decoder failed unexpectedly on this file: it is damaged in an unusual way")]
    DecodePanic,

    /// The thumbnail could not be written.
    #[error("no thumbnail could be made: {reason}")]
    Thumbnail {
        /// The error of the encoder.
        reason: String,
    },
}

impl PictureError {
    /// A stable code for metrics, dead letters and programs: one of `empty_file`, `not_a_picture`,
    /// `unsupported_format`, `corrupt_picture`, `too_many_bytes`, `too_many_pixels`,
    /// `decode_panic`, `thumbnail_failed`.
    pub fn class(&self) -> &'static str {
        match self {
            PictureError::EmptyFile => "empty_file",
            PictureError::NotAPicture => "not_a_picture",
            PictureError::UnsupportedFormat { .. } => "unsupported_format",
            PictureError::CorruptPicture { .. } => "corrupt_picture",
            PictureError::TooManyBytes { .. } => "too_many_bytes",
            PictureError::TooManyPixels { .. }
            | PictureError::SideTooLong { .. }
            | PictureError::TooMuchMemory { .. }
            | PictureError::TooManyScans { .. } => "too_many_pixels",
            PictureError::DecodePanic => "decode_panic",
            PictureError::Thumbnail { .. } => "thumbnail_failed",
        }
    }
}
