//! Decoding JPEG: complete files with a sane number of scans, by the fastest decoder that takes
//! them.

use super::jpeg_scans::JpegScans;
use super::request::{DecodeRequest, DecodedFile};
use super::{PictureError, PictureFormat, codecs};

/// Decodes a file at the requested detail.
pub(super) fn decode(request: &DecodeRequest) -> Result<DecodedFile, PictureError> {
    let corrupt =
        |reason: String| PictureError::CorruptPicture { format: PictureFormat::Jpeg, reason };
    let scans = JpegScans::of(request.bytes);
    if !scans.complete {
        return Err(corrupt(String::from("the file stops before the end of the image")));
    }
    let count = u32::try_from(scans.count).unwrap_or(u32::MAX);
    let limit = request.limits.max_scans;
    if count > limit {
        return Err(PictureError::TooManyScans { scans: count, limit });
    }
    #[cfg(feature = "fast-jpeg")]
    if let Some(decoded) = super::turbo::decode(request, count) {
        return decoded;
    }
    codecs::decode(request, PictureFormat::Jpeg, count)
}
