//! Decoding files of any format at their full size.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use super::request::{DecodeCost, DecodeRequest, DecodedFile};
use super::{PictureError, PictureFormat, colour, tiff_layout};

/// Decodes a file with the decoder of its format. All formats but JPEG have one scan.
pub(super) fn decode(
    request: &DecodeRequest,
    format: PictureFormat,
    scans: u32,
) -> Result<DecodedFile, PictureError> {
    let mut allocation = Limits::no_limits();
    allocation.max_alloc = Some(request.limits.max_decoded_bytes);
    let failed = |error| picture_error(error, format, (0, 0), request);
    if format == PictureFormat::Tiff && tiff_layout::is_unsupported(request.bytes) {
        return Err(PictureError::UnsupportedFormat {
            what: String::from("tiff (in tiles of single channels)"),
        });
    }
    let content = Cursor::new(request.bytes);
    if let Some(codec) = format.codec() {
        let mut reader = ImageReader::with_format(content, codec);
        reader.limits(allocation);
        let decoder = reader.into_decoder().map_err(failed)?;
        return decode_with(decoder, request, format, scans);
    }
    let decoder = jxl(content, allocation).map_err(failed)?;
    decode_with(decoder, request, format, scans)
}

#[cfg(feature = "jxl")]
fn jxl(content: Cursor<&[u8]>, allocation: Limits) -> Result<impl ImageDecoder, ImageError> {
    let mut decoder = jxl_oxide::integration::JxlDecoder::new(content)?;
    decoder.set_limits(allocation)?;
    Ok(decoder)
}

#[cfg(not(feature = "jxl"))]
fn jxl(content: Cursor<&[u8]>, _: Limits) -> Result<impl ImageDecoder, ImageError> {
    // Never reached: `PictureFormat::of` refuses the format without its feature.
    ImageReader::new(content).into_decoder()
}

fn decode_with(
    mut decoder: impl ImageDecoder,
    request: &DecodeRequest,
    format: PictureFormat,
    scans: u32,
) -> Result<DecodedFile, PictureError> {
    let size = decoder.dimensions();
    let pixels = u64::from(size.0) * u64::from(size.1);
    // The decoder of JPEG XL works on 32-bit planes.
    let planes = if format == PictureFormat::JpegXl {
        4 * u64::from(decoder.color_type().channel_count()) * pixels
    } else {
        0
    };
    let orientation = match format {
        // The decoder has turned the picture already, as the codestream says.
        PictureFormat::JpegXl => Orientation::NoTransforms,
        _ => orientation(&mut decoder),
    };
    let plain = decoder.color_type() == ColorType::Rgb8 && orientation == Orientation::NoTransforms;
    let after = if plain { 0 } else { 4 * pixels };
    let bytes = decoder.total_bytes().saturating_add(planes);
    let cost = DecodeCost { size, decoder: bytes, after, scans };
    let share = request.admit(format, &cost)?;
    let exif = match format {
        PictureFormat::Tiff => Some(request.bytes.to_vec()),
        _ => exif(&mut decoder),
    };
    let icc = decoder.icc_profile().unwrap_or(None);
    let image = DynamicImage::from_decoder(decoder)
        .map_err(|error| picture_error(error, format, size, request))?;
    let image = colour::to_srgb(image, icc.as_deref());
    Ok(DecodedFile { image, format, size, orientation, exif, share })
}

fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    // A TIFF has a tag of its own, which only its decoder reads. Broken metadata is ignored: it is
    // no reason to refuse a picture.
    match exif(decoder) {
        Some(block) => Orientation::from_exif_chunk(&block),
        None => decoder.orientation().ok(),
    }
    .unwrap_or(Orientation::NoTransforms)
}

/// The TIFF structure with EXIF tags. Some programs put JPEG's prefix before it in other formats
/// too.
fn exif(decoder: &mut impl ImageDecoder) -> Option<Vec<u8>> {
    let block = decoder.exif_metadata().unwrap_or(None)?;
    Some(block.strip_prefix(b"Exif\0\0").map(<[u8]>::to_vec).unwrap_or(block))
}

/// Translates an error of the image library.
fn picture_error(
    error: ImageError,
    format: PictureFormat,
    (width, height): (u32, u32),
    request: &DecodeRequest,
) -> PictureError {
    match error {
        ImageError::Limits(_) => {
            PictureError::TooMuchMemory { width, height, limit: request.limits.max_decoded_bytes }
        }
        ImageError::Unsupported(what) => {
            PictureError::UnsupportedFormat { what: format!("{} ({what})", format.as_str()) }
        }
        other => {
            PictureError::CorruptPicture { format, reason: other.to_string().replace('\n', ", ") }
        }
    }
}
