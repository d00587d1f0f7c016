//! Decoding: limits first, then pixels, then upright and without transparency.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, Rgb, RgbImage};

use super::{Metadata, Picture, PictureError, PictureFormat, PictureLimits, jpeg_end};

/// Decodes the content of a file. The format is told from the content.
///
/// Takes 3 to 8 bytes of memory per pixel for a moment (see [`PictureLimits`]) and 3 while the picture is kept; some
/// 30 ms of one CPU per 12 million pixels of JPEG.
///
/// # Errors
/// Every bad file is an error with a [class](PictureError::class), none a panic.
pub fn decode(bytes: &[u8], limits: &PictureLimits) -> Result<Picture, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::EmptyFile);
    }
    let size = bytes.len() as u64;
    if size > limits.max_bytes {
        return Err(PictureError::TooManyBytes { bytes: size, limit: limits.max_bytes });
    }
    let format = PictureFormat::of(bytes)?;
    if format == PictureFormat::Jpeg && !jpeg_end::reaches_end(bytes) {
        let reason = String::from("the file stops before the end of the image");
        return Err(PictureError::CorruptPicture { format, reason });
    }
    // Decoders are well tested, and still a file that nobody thought of must not end the process.
    catch_unwind(AssertUnwindSafe(|| decode_as(bytes, format, limits))).unwrap_or(Err(PictureError::DecodePanic))
}

fn decode_as(bytes: &[u8], format: PictureFormat, limits: &PictureLimits) -> Result<Picture, PictureError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format.codec());
    let mut allocation = Limits::no_limits();
    allocation.max_alloc = Some(limits.max_decoded_bytes);
    reader.limits(allocation);
    let failed = |error, size| picture_error(error, format, size, limits);

    let mut decoder = reader.into_decoder().map_err(|error| failed(error, (0, 0)))?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, decoder.total_bytes(), format, limits)?;
    // Broken metadata is no reason to refuse a picture that can be seen.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let exif = match format {
        PictureFormat::Tiff => Some(bytes.to_vec()),
        _ => decoder.exif_metadata().unwrap_or(None),
    };
    let metadata = exif.map(Metadata::read).unwrap_or_default();

    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| failed(error, (width, height)))?;
    image.apply_orientation(orientation);
    let rgb = over_white(image);
    let (width, height) = rgb.dimensions();
    Ok(Picture { rgb, format, width, height, orientation: orientation.to_exif(), metadata })
}

fn check_size(
    width: u32,
    height: u32,
    decoded_bytes: u64,
    format: PictureFormat,
    limits: &PictureLimits,
) -> Result<(), PictureError> {
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
    if decoded_bytes > limits.max_decoded_bytes {
        return Err(PictureError::TooMuchMemory { width, height, limit: limits.max_decoded_bytes });
    }
    Ok(())
}

/// Says what an error of the image library means for the caller.
fn picture_error(error: ImageError, format: PictureFormat, (width, height): (u32, u32), limits: &PictureLimits) -> PictureError {
    match error {
        ImageError::Limits(_) => PictureError::TooMuchMemory { width, height, limit: limits.max_decoded_bytes },
        ImageError::Unsupported(what) => PictureError::UnsupportedFormat { what: format!("{} ({what})", format.as_str()) },
        other => PictureError::CorruptPicture { format, reason: other.to_string().replace('\n', ", ") },
    }
}

/// Eight-bit RGB with transparency laid over white, the colour of the page most such pictures were drawn for.
fn over_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let source = image.into_rgba8();
    let mut rgb = RgbImage::new(source.width(), source.height());
    for (pixel, from) in rgb.pixels_mut().zip(source.pixels()) {
        let [red, green, blue, alpha] = from.0;
        let blend = |value: u8| {
            let (value, alpha) = (u32::from(value), u32::from(alpha));
            // At most 255: a weighted mean of two bytes, rounded.
            ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        };
        *pixel = Rgb([blend(red), blend(green), blend(blue)]);
    }
    rgb
}
