//! The request to a decoder, and its result.

use image::DynamicImage;
use image::metadata::Orientation;

use super::budget::{Budget, BudgetShare};
use super::{Detail, PictureError, PictureFormat, PictureLimits};

/// One file to decode, and what decoding it may cost.
pub(super) struct DecodeRequest<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) limits: &'a PictureLimits,
    pub(super) detail: Detail,
    pub(super) budget: Option<&'a Budget>,
}

/// The cost of decoding a file, read from its header.
pub(super) struct DecodeCost {
    /// Width and height in pixels, as stored.
    pub(super) size: (u32, u32),
    /// Bytes that the decoder allocates, including its result.
    pub(super) decoder: u64,
    /// Further bytes for converting and turning the result.
    pub(super) after: u64,
    /// How often the decoder passes over the whole picture.
    pub(super) scans: u32,
}

/// The result of a decoder.
pub(super) struct DecodedFile {
    pub(super) image: DynamicImage,
    pub(super) format: PictureFormat,
    /// Width and height of the whole picture in pixels, as stored.
    pub(super) size: (u32, u32),
    pub(super) orientation: Orientation,
    /// A TIFF structure with EXIF tags.
    pub(super) exif: Option<Vec<u8>>,
    pub(super) share: Option<BudgetShare>,
}

impl DecodeRequest<'_> {
    /// Refuses a file that costs more than its limits. Else takes its share of the budget, and
    /// blocks until that is free.
    pub(super) fn admit(
        &self,
        format: PictureFormat,
        cost: &DecodeCost,
    ) -> Result<Option<BudgetShare>, PictureError> {
        let DecodeCost { size: (width, height), decoder, after, scans } = *cost;
        let limits = self.limits;
        if width == 0 || height == 0 {
            let reason = format!("the header says {width} x {height} pixels");
            return Err(PictureError::CorruptPicture { format, reason });
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels > limits.max_pixels {
            return Err(PictureError::TooManyPixels { width, height, limit: limits.max_pixels });
        }
        if width.max(height) > limits.max_side {
            return Err(PictureError::SideTooLong { width, height, limit: limits.max_side });
        }
        if pixels.saturating_mul(u64::from(scans)) > limits.max_scan_pixels {
            let limit = limits.max_scan_pixels;
            return Err(PictureError::TooManyScanPixels { scans, width, height, limit });
        }
        if decoder > limits.max_decoded_bytes {
            return Err(PictureError::TooMuchMemory {
                width,
                height,
                limit: limits.max_decoded_bytes,
            });
        }
        Ok(self.budget.map(|budget| budget.take(decoder.saturating_add(after))))
    }
}
