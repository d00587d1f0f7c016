//! Decoding: limits first, then pixels, then their colours, then upright.

use std::panic::{AssertUnwindSafe, catch_unwind};

use image::DynamicImage;
use image::metadata::Orientation;

use super::{Detail, HeldPicture, Metadata, Picture, PictureError, PictureFormat, PictureLimits};
use super::{coded, colour, jpeg};
use crate::budget::{Budget, Share};

/// Decodes the content of a file. The format is told from the content.
///
/// Takes 3 to 8 bytes of memory per decoded pixel for a moment (see [`PictureLimits`]) and 3 while
/// the picture is kept. A JPEG of 12 million pixels takes some 60 ms of one CPU, and less than half
/// of that at the detail a model needs.
///
/// # Errors
/// Every bad file is an error with a [class](PictureError::class), none a panic.
pub fn decode(
    bytes: &[u8],
    limits: &PictureLimits,
    detail: Detail,
) -> Result<Picture, PictureError> {
    Ok(guarded(&Request { bytes, limits, detail, budget: None })?.0)
}

/// As [`decode`], once there is memory for it: takes what the header says is needed from the
/// budget, blocking the thread until that is free, and keeps what the pixels take until the picture
/// is dropped.
///
/// # Errors
/// As [`decode`].
pub fn decode_within(
    budget: &Budget,
    bytes: &[u8],
    limits: &PictureLimits,
    detail: Detail,
) -> Result<HeldPicture, PictureError> {
    let (picture, share) = guarded(&Request { bytes, limits, detail, budget: Some(budget) })?;
    let mut share = share.unwrap_or_else(|| budget.take(0));
    share.shrink_to(picture.rgb.as_raw().len() as u64);
    Ok(HeldPicture { picture, _share: share })
}

/// One call of [`decode`].
pub(super) struct Request<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) limits: &'a PictureLimits,
    pub(super) detail: Detail,
    budget: Option<&'a Budget>,
}

/// What a header says decoding will cost.
pub(super) struct Cost {
    /// Width and height in pixels, as stored.
    pub(super) size: (u32, u32),
    /// Bytes the decoder allocates, its result counted.
    pub(super) decoder: u64,
    /// Further bytes for what is done to the result.
    pub(super) after: u64,
}

/// What a decoder gave.
pub(super) struct Decoded {
    pub(super) image: DynamicImage,
    pub(super) format: PictureFormat,
    /// Width and height of the whole picture in pixels, as stored.
    pub(super) size: (u32, u32),
    pub(super) orientation: Orientation,
    /// A TIFF structure with EXIF tags.
    pub(super) exif: Option<Vec<u8>>,
    pub(super) share: Option<Share>,
}

impl Request<'_> {
    /// Refuses what costs too much, and waits for memory for the rest.
    pub(super) fn admit(
        &self,
        format: PictureFormat,
        cost: &Cost,
    ) -> Result<Option<Share>, PictureError> {
        let Cost { size: (width, height), decoder, after } = *cost;
        let limits = self.limits;
        if width == 0 || height == 0 {
            let reason = format!("the header says {width} x {height} pixels");
            return Err(PictureError::CorruptPicture { format, reason });
        }
        if u64::from(width) * u64::from(height) > limits.max_pixels {
            return Err(PictureError::TooManyPixels { width, height, limit: limits.max_pixels });
        }
        if width.max(height) > limits.max_side {
            return Err(PictureError::SideTooLong { width, height, limit: limits.max_side });
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

fn guarded(request: &Request) -> Result<(Picture, Option<Share>), PictureError> {
    let size = request.bytes.len() as u64;
    if size == 0 {
        return Err(PictureError::EmptyFile);
    }
    if size > request.limits.max_bytes {
        return Err(PictureError::TooManyBytes { bytes: size, limit: request.limits.max_bytes });
    }
    let format = PictureFormat::of(request.bytes)?;
    // Decoders are well tested, and still a file that nobody thought of must not end the process.
    let decoded = catch_unwind(AssertUnwindSafe(|| match format {
        PictureFormat::Jpeg => jpeg::decode(request).map(upright),
        #[cfg(feature = "heif")]
        PictureFormat::Heic | PictureFormat::Avif => {
            super::heif::decode(request, format).map(upright)
        }
        _ => coded::decode(request, format).map(upright),
    }));
    decoded.unwrap_or(Err(PictureError::DecodePanic))
}

/// Colours are as they were meant by now; what is left is to lay transparency over white and to
/// turn the picture.
fn upright(decoded: Decoded) -> (Picture, Option<Share>) {
    let Decoded { image, format, size: (width, height), orientation, exif, share } = decoded;
    let mut image = DynamicImage::ImageRgb8(colour::over_white(image));
    image.apply_orientation(orientation);
    let turned = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let (width, height) = if turned { (height, width) } else { (width, height) };
    let metadata = exif.map(Metadata::read).unwrap_or_default();
    (
        Picture {
            rgb: image.into_rgb8(),
            format,
            width,
            height,
            orientation: orientation.to_exif(),
            metadata,
        },
        share,
    )
}
