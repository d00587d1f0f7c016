//! What the fuzz targets share.

#![cfg(feature = "pictures")]

use inference::{Detail, PictureLimits, decode};

/// Decodes what begins like a file of one format, at one of two sizes. A panic is a finding, though
/// callers are told only of a `decode_panic`; so is a picture that is larger than allowed.
pub fn picture(bytes: &[u8], starts: &[&[u8]]) {
    if !starts.iter().any(|start| bytes.starts_with(start)) {
        return;
    }
    let detail = if bytes.len() % 2 == 0 { Detail::Whole } else { Detail::ShortSide(1) };
    let limits = limits();
    if let Ok(picture) = decode(bytes, &limits, detail) {
        let pixels = u64::from(picture.width) * u64::from(picture.height);
        assert!(pixels > 0 && pixels <= limits.max_pixels);
        assert!(picture.rgb.width() <= picture.width && picture.rgb.height() <= picture.height);
        let _ = picture.phash();
    }
}

/// Small enough that an input is decoded in milliseconds.
pub fn limits() -> PictureLimits {
    PictureLimits { max_pixels: 250_000, max_decoded_bytes: 8 << 20, ..PictureLimits::default() }
}
