//! Decoding a file: check its limits, decode its pixels, apply its colours, turn it upright.

use std::panic::{AssertUnwindSafe, catch_unwind};

use image::DynamicImage;
use image::metadata::Orientation;

use super::budget::{Budget, BudgetShare};
use super::request::{DecodeRequest, DecodedFile};
use super::{Detail, HeldPicture, Metadata, Picture, PictureError, PictureFormat, PictureLimits};
use super::{codecs, colour, jpeg};

/// Decodes the content of a file. The content alone decides about the format.
///
/// Decoding takes 3 to 8 bytes of memory per decoded pixel (see [`PictureLimits`]); the picture
/// then keeps 3. A JPEG of 12 million pixels takes about 60 ms of one CPU, and less than half of
/// that at the detail that a model needs.
///
/// # Errors
/// Every bad file is an error with a [class](PictureError::class). No file causes a panic.
pub fn decode(
    bytes: &[u8],
    limits: &PictureLimits,
    detail: Detail,
) -> Result<Picture, PictureError> {
    Ok(decode_guarded(&DecodeRequest { bytes, limits, detail, budget: None })?.0)
}

/// Decodes a file within a memory budget.
///
/// Takes the memory that the file's header announces from the budget, and blocks the thread until
/// that is free. The picture keeps a share for its pixels until it is dropped.
///
/// # Errors
/// As [`decode`].
pub fn decode_within(
    budget: &Budget,
    bytes: &[u8],
    limits: &PictureLimits,
    detail: Detail,
) -> Result<HeldPicture, PictureError> {
    let request = DecodeRequest { bytes, limits, detail, budget: Some(budget) };
    let (picture, share) = decode_guarded(&request)?;
    let mut share = share.unwrap_or_else(|| budget.take(0));
    share.shrink_to(picture.rgb.as_raw().len() as u64);
    Ok(HeldPicture { picture, _share: share })
}

/// Decodes a file, and turns a panic of its decoder into an error.
fn decode_guarded(request: &DecodeRequest) -> Result<(Picture, Option<BudgetShare>), PictureError> {
    let size = request.bytes.len() as u64;
    if size == 0 {
        return Err(PictureError::EmptyFile);
    }
    if size > request.limits.max_bytes {
        return Err(PictureError::TooManyBytes { bytes: size, limit: request.limits.max_bytes });
    }
    let format = PictureFormat::of(request.bytes)?;
    // Decoders are well tested, but an unusual file must not end the process.
    let decoded = catch_unwind(AssertUnwindSafe(|| match format {
        PictureFormat::Jpeg => jpeg::decode(request).map(upright),
        #[cfg(feature = "heif")]
        PictureFormat::Heic | PictureFormat::Avif => {
            super::heif::decode(request, format).map(upright)
        }
        _ => codecs::decode(request, format, 1).map(upright),
    }));
    decoded.unwrap_or(Err(PictureError::DecodePanic))
}

/// Lays transparency over white and turns the picture upright. Its colours are sRGB already.
fn upright(decoded: DecodedFile) -> (Picture, Option<BudgetShare>) {
    let DecodedFile { image, format, size: (width, height), orientation, exif, share } = decoded;
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
    let metadata = exif.map(Metadata::parse).unwrap_or_default();
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
