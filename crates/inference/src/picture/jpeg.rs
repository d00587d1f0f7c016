//! Decoding JPEG: complete files with a sane number of scans, by the fastest decoder that takes
//! them.

use super::jpeg_scans::JpegScans;
use super::request::{DecodeRequest, DecodedFile};
use super::{PictureError, PictureFormat, codecs};

/// Largest accepted number of scans. Every scan passes over the whole picture again, so a small
/// file with thousands of them would take minutes. Encoders write about ten; browsers have the same
/// limit.
const MAX_SCANS: usize = 100;

/// Decodes a file at the requested detail.
pub(super) fn decode(request: &DecodeRequest) -> Result<DecodedFile, PictureError> {
    let corrupt =
        |reason: String| PictureError::CorruptPicture { format: PictureFormat::Jpeg, reason };
    let scans = JpegScans::of(request.bytes);
    if !scans.complete {
        return Err(corrupt(String::from("the file stops before the end of the image")));
    }
    if scans.count > MAX_SCANS {
        return Err(corrupt(format!("it has more than {MAX_SCANS} scans")));
    }
    let limit = request.limits.max_scanned_pixels;
    if scans.pixels.saturating_mul(scans.count as u64) > limit {
        let JpegScans { count: scans, pixels, .. } = scans;
        return Err(PictureError::TooManyScans { scans, pixels, limit });
    }
    #[cfg(feature = "fast-jpeg")]
    if let Some(decoded) = super::turbo::decode(request, scans.count) {
        return decoded;
    }
    codecs::decode(request, PictureFormat::Jpeg)
}
