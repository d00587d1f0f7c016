//! The thumbnail and the perceptual fingerprint of a picture.

use image::codecs::jpeg::JpegEncoder;
use image_hasher::{HashAlg, HasherConfig};

use super::{Picture, PictureError};
use crate::manifest::ResampleFilter;
use crate::resize::{Area, resize};

/// JPEG quality of thumbnails, 1 to 100. More looks the same at that size and takes more bytes.
const THUMBNAIL_QUALITY: u8 = 80;

/// Side in pixels of the square that a picture is shrunk to before it is hashed. The hash itself
/// works on 16 x 16 pixels.
const FINGERPRINT_SIDE: u32 = 64;

impl Picture {
    /// Makes a JPEG file of the picture, without metadata. Its longest side has `max_side` pixels
    /// (at least 1); a smaller picture keeps its size.
    ///
    /// # Errors
    /// [`PictureError::Thumbnail`] for a picture without pixels or beyond 65,535 pixels a side.
    pub fn thumbnail_jpeg(&self, max_side: u32) -> Result<Vec<u8>, PictureError> {
        let failed = |reason: String| PictureError::Thumbnail { reason };
        let (width, height) = self.rgb.dimensions();
        let longest = u64::from(width.max(height)).max(1);
        let side = u64::from(max_side.max(1)).min(longest);
        // Never above `longest`, so within u32. A thin picture keeps one pixel.
        let scaled =
            |length: u32| ((u64::from(length) * side + longest / 2) / longest).max(1) as u32;
        let small = resize(
            &self.rgb,
            self.shown(Area::whole(&self.rgb)),
            scaled(width),
            scaled(height),
            ResampleFilter::Bicubic,
        )
        .ok_or_else(|| failed(String::from("the picture has no pixels")))?;
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, THUMBNAIL_QUALITY)
            .encode_image(&small)
            .map_err(|error| failed(error.to_string()))?;
        Ok(jpeg)
    }

    /// The perceptual hash (pHash: median of the low frequencies of a cosine transform). The fewer
    /// of the 64 bits differ between two pictures, the more alike they look. Copies in another size
    /// or quality differ in a few bits. 0 for a picture without pixels.
    pub fn phash(&self) -> u64 {
        let Some(small) = resize(
            &self.rgb,
            self.shown(Area::whole(&self.rgb)),
            FINGERPRINT_SIDE,
            FINGERPRINT_SIDE,
            ResampleFilter::Bilinear,
        ) else {
            return 0;
        };
        let hasher = HasherConfig::with_bytes_type::<[u8; 8]>()
            .hash_size(8, 8)
            .hash_alg(HashAlg::Median)
            .preproc_dct()
            .to_hasher();
        u64::from_be_bytes(hasher.hash_image(&small).into_inner())
    }
}
