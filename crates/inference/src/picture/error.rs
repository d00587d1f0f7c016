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

    /// A JPEG has more scans than the limit.
    #[error("the jpeg has {scans} scans, more than the limit of {limit}: save it with fewer")]
    TooManyScans {
        /// Number of scans.
        scans: u32,
        /// The limit.
        limit: u32,
    },

    /// The scans of a JPEG pass over more pixels than the limit.
    #[error(
        "the jpeg has {scans} scans of {width} x {height} pixels, together more than the limit of \
         {limit} pixels: save it smaller or with fewer scans"
    )]
    TooManyScanPixels {
        /// Number of scans.
        scans: u32,
        /// Width in pixels, as stored.
        width: u32,
        /// Height in pixels, as stored.
        height: u32,
        /// The limit.
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
            Self::EmptyFile => "empty_file",
            Self::NotAPicture => "not_a_picture",
            Self::UnsupportedFormat { .. } => "unsupported_format",
            Self::CorruptPicture { .. } | Self::TooManyScans { .. } => "corrupt_picture",
            Self::TooManyBytes { .. } => "too_many_bytes",
            Self::TooManyPixels { .. }
            | Self::SideTooLong { .. }
            | Self::TooMuchMemory { .. }
            | Self::TooManyScanPixels { .. } => "too_many_pixels",
            Self::DecodePanic => "decode_panic",
            Self::Thumbnail { .. } => "thumbnail_failed",
        }
    }
}
