//! Decoding HEIC and AVIF with libheif. It turns and mirrors the picture itself, so the EXIF
//! orientation is not applied again.

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage, RgbaImage};
use libheif_rs::{ColorSpace, HeifContext, HeifError, LibHeif, RgbChroma, SecurityLimits};

use super::request::{DecodeCost, DecodeRequest, DecodedFile};
use super::{PictureError, PictureFormat, colour};

/// Bytes that decoding holds per pixel: the coded planes (up to 16 bits, 4:4:4, alpha) and the
/// result.
const BYTES_PER_PIXEL: u64 = 12;
/// Largest accepted grid. A phone's picture has about fifty tiles.
const MAX_TILES: u64 = 4096;

/// Decodes the main picture of the file.
pub(super) fn decode(
    request: &DecodeRequest,
    format: PictureFormat,
) -> Result<DecodedFile, PictureError> {
    let corrupt = |error: HeifError| PictureError::CorruptPicture {
        format,
        reason: error.to_string().replace('\n', ", "),
    };
    let mut context = HeifContext::new().map_err(corrupt)?;
    let mut security = SecurityLimits::new();
    security.set_max_image_size_pixels(request.limits.max_pixels);
    security.set_max_number_of_tiles(MAX_TILES);
    security.set_max_memory_block_size(request.limits.max_decoded_bytes);
    security.set_max_total_memory(request.limits.max_decoded_bytes);
    context.set_security_limits(&security).map_err(corrupt)?;
    // Other pictures are decoded at the same time, which keeps all processors busy.
    context.set_max_decoding_threads(0);
    context.read_bytes(request.bytes).map_err(corrupt)?;
    let handle = context.primary_image_handle().map_err(corrupt)?;
    let size = (handle.width(), handle.height());
    let pixels = u64::from(size.0) * u64::from(size.1);
    let share = request.admit(
        format,
        &DecodeCost {
            size,
            decoder: BYTES_PER_PIXEL.saturating_mul(pixels),
            after: 4 * pixels,
            scans: 1,
        },
    )?;
    let chroma = if handle.has_alpha_channel() { RgbChroma::Rgba } else { RgbChroma::Rgb };
    let decoded = LibHeif::new().decode(&handle, ColorSpace::Rgb(chroma), None).map_err(corrupt)?;
    let planes = decoded.planes();
    let wrong = || PictureError::CorruptPicture {
        format,
        reason: String::from("its decoder gave no pixels"),
    };
    let plane = planes.interleaved.ok_or_else(wrong)?;
    let row = plane.width as usize * if chroma == RgbChroma::Rgba { 4 } else { 3 };
    let rows = plane.data.chunks(plane.stride.max(1)).take(plane.height as usize);
    let bytes: Vec<u8> =
        rows.flat_map(|line| line.get(..row).unwrap_or_default()).copied().collect();
    let image = if chroma == RgbChroma::Rgba {
        RgbaImage::from_raw(plane.width, plane.height, bytes).map(DynamicImage::ImageRgba8)
    } else {
        RgbImage::from_raw(plane.width, plane.height, bytes).map(DynamicImage::ImageRgb8)
    };
    let icc = handle.color_profile_raw().map(|profile| profile.data);
    let image = colour::to_srgb(image.ok_or_else(wrong)?, icc.as_deref());
    let exif = handle
        .all_metadata()
        .into_iter()
        .find(|block| block.item_type.0 == *b"Exif")
        .and_then(|block| tiff_of(block.raw_data));
    Ok(DecodedFile { image, format, size, orientation: Orientation::NoTransforms, exif, share })
}

/// The TIFF structure in an `Exif` item. The item begins with its offset in four bytes (ISO/IEC
/// 23008-12, annex A).
fn tiff_of(item: Vec<u8>) -> Option<Vec<u8>> {
    let (offset, rest) = item.split_first_chunk::<4>()?;
    rest.get(u32::from_be_bytes(*offset) as usize..).map(<[u8]>::to_vec)
}
