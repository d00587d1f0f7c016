//! Decoding JPEG with libjpeg-turbo, which can decode at a reduced size.
//!
//! Files that libjpeg-turbo refuses or warns about go to the decoder of `image`, which decides.

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use turbojpeg::{Colorspace, DecompressHeader, Decompressor, PixelFormat, ScalingFactor, Subsamp};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::request::{DecodeCost, DecodeRequest, DecodedFile};
use super::{Detail, PictureError, PictureFormat, colour};

/// Decodes a complete file with this many scans. `None` leaves the file to the other decoder.
pub(super) fn decode(
    request: &DecodeRequest,
    scans: u32,
) -> Option<Result<DecodedFile, PictureError>> {
    let mut decompressor = Decompressor::new().ok()?;
    let header = decompressor.read_header(request.bytes).ok()?;
    let (exif, icc) = metadata_blocks(request.bytes)?;
    let factor =
        if header.is_lossless { ScalingFactor::ONE } else { reduction(&header, request.detail) };
    decompressor.set_scaling_factor(factor).ok()?;

    let inks = matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK);
    let format = if inks { PixelFormat::CMYK } else { PixelFormat::RGB };
    let scaled = header.scaled(factor);
    let pixels_bytes = scaled.width.checked_mul(scaled.height)?.checked_mul(format.size())?;
    let orientation =
        exif.as_deref().and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
    let turned = inks || orientation != Orientation::NoTransforms;
    let size = (u32::try_from(header.width).ok()?, u32::try_from(header.height).ok()?);
    let coefficients = if scans > 1 { coefficient_bytes(&header) } else { 0 };
    let after = if turned { pixels_bytes as u64 } else { 0 };
    let decoder = coefficients.saturating_add(pixels_bytes as u64);
    let cost = DecodeCost { size, decoder, after, scans };
    let share = match request.admit(PictureFormat::Jpeg, &cost) {
        Ok(share) => share,
        Err(error) => return Some(Err(error)),
    };

    let mut pixels = vec![0; pixels_bytes];
    let output = turbojpeg::Image {
        pixels: pixels.as_mut_slice(),
        width: scaled.width,
        pitch: scaled.width * format.size(),
        height: scaled.height,
        format,
    };
    decompressor.decompress(request.bytes, output).ok()?;
    drop(decompressor);
    let (width, height) = (u32::try_from(scaled.width).ok()?, u32::try_from(scaled.height).ok()?);
    let image = if inks {
        colour::inks_to_srgb(width, height, &pixels, icc.as_deref())?
    } else {
        colour::to_srgb(
            DynamicImage::ImageRgb8(RgbImage::from_raw(width, height, pixels)?),
            icc.as_deref(),
        )
    };
    Some(Ok(DecodedFile { image, format: PictureFormat::Jpeg, size, orientation, exif, share }))
}

/// A block of metadata, if the file has it.
type MetadataBlock = Option<Vec<u8>>;

/// The EXIF block and the colour profile. `None` where the header cannot be read.
fn metadata_blocks(bytes: &[u8]) -> Option<(MetadataBlock, MetadataBlock)> {
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().ok()?;
    Some((decoder.exif().cloned(), decoder.icc_profile()))
}

/// The smallest size that keeps enough detail, of the sizes that libjpeg-turbo computes quickly.
fn reduction(header: &DecompressHeader, detail: Detail) -> ScalingFactor {
    let Detail::ShortSide(side) = detail else { return ScalingFactor::ONE };
    let wanted = 2 * u64::from(side);
    let fits =
        |factor: &ScalingFactor| factor.scale(header.width.min(header.height)) as u64 >= wanted;
    let sizes = [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF];
    sizes.into_iter().find(fits).unwrap_or(ScalingFactor::ONE)
}

/// Bytes that the decoder keeps between scans: 16 bits for every sample of every component.
fn coefficient_bytes(header: &DecompressHeader) -> u64 {
    // Samples per pixel, in quarters.
    let samples = match (header.colorspace, header.subsamp) {
        (Colorspace::CMYK | Colorspace::YCCK, _) => 16,
        (_, Subsamp::Gray) => 4,
        (_, Subsamp::Sub2x2 | Subsamp::Sub4x1) => 6,
        (_, Subsamp::Sub2x1 | Subsamp::Sub1x2) => 8,
        _ => 12,
    };
    (header.width as u64).saturating_mul(header.height as u64).saturating_mul(2 * samples) / 4
}
