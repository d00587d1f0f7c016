//! JPEG: whole files of a sane number of scans, decoded by the fastest decoder that takes them.

use super::decode::{Decoded, Request};
use super::jpeg_end::Scans;
use super::{PictureError, PictureFormat, coded};

/// Every scan passes over the whole picture again, so a small file of thousands of them would take
/// minutes. Encoders write some ten; the decoder of browsers and ours draw the line here.
const MAX_SCANS: usize = 100;

/// Decodes at the detail asked for.
pub(super) fn decode(request: &Request) -> Result<Decoded, PictureError> {
    let corrupt =
        |reason: String| PictureError::CorruptPicture { format: PictureFormat::Jpeg, reason };
    let scans = Scans::of(request.bytes);
    if !scans.complete {
        return Err(corrupt(String::from("the file stops before the end of the image")));
    }
    if scans.count > MAX_SCANS {
        return Err(corrupt(format!("it has more than {MAX_SCANS} scans")));
    }
    #[cfg(feature = "fast-jpeg")]
    if let Some(decoded) = super::turbo::decode(request, scans.count) {
        return decoded;
    }
    coded::decode(request, PictureFormat::Jpeg)
}
