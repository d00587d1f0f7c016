//! Colours: from the values of a file to sRGB, by colour profile, inks and transparency.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use image::{DynamicImage, Rgb, RgbImage, RgbaImage};
use moxcms::{ColorProfile, DataColorSpace, Layout, Transform8BitExecutor, TransformOptions};

/// Largest accepted profile. Profiles have a few hundred bytes to some megabytes (for printing
/// presses).
const MAX_PROFILE_BYTES: usize = 4 << 20;

/// Converts a picture to sRGB by its colour profile, and to 8 bits if it has one that is used.
/// Without a profile, or with one that is broken or for other channels, the values count as sRGB,
/// as in browsers.
pub(super) fn to_srgb(image: DynamicImage, profile: Option<&[u8]>) -> DynamicImage {
    let grey = !image.color().has_color();
    let alpha = image.color().has_alpha();
    let Some(profile) = profile.and_then(read_profile) else { return image };
    let (from, to) = match (profile.color_space, grey, alpha) {
        (DataColorSpace::Gray, true, false) => (Layout::Gray, Layout::Rgb),
        (DataColorSpace::Gray, true, true) => (Layout::GrayAlpha, Layout::Rgba),
        (DataColorSpace::Rgb, _, false) => (Layout::Rgb, Layout::Rgb),
        (DataColorSpace::Rgb, _, true) => (Layout::Rgba, Layout::Rgba),
        _ => return image,
    };
    let Some(transform) = transform(&profile, from, to) else { return image };
    let (width, height) = (image.width(), image.height());
    match (from, to) {
        (Layout::Gray, _) => {
            let grey = image.into_luma8();
            let pixels = convert(&transform, &grey, 1, 3);
            pixels
                .and_then(|pixels| RgbImage::from_raw(width, height, pixels))
                .map_or(grey.into(), DynamicImage::from)
        }
        (Layout::GrayAlpha, _) => {
            let grey = image.into_luma_alpha8();
            let pixels = convert(&transform, &grey, 2, 4);
            pixels
                .and_then(|pixels| RgbaImage::from_raw(width, height, pixels))
                .map_or(grey.into(), DynamicImage::from)
        }
        (Layout::Rgb, _) => {
            let mut rgb = image.into_rgb8();
            convert_in_place(&transform, &mut rgb, 3);
            rgb.into()
        }
        _ => {
            let mut rgba = image.into_rgba8();
            convert_in_place(&transform, &mut rgba, 4);
            rgba.into()
        }
    }
}

/// Converts a picture in four inks (cyan, magenta, yellow, black) to sRGB. The values are stored
/// inverted, as Adobe's programs and most others do: 255 means no ink. `None` where the pixels are
/// not `width` x `height`.
pub(super) fn inks_to_srgb(
    width: u32,
    height: u32,
    stored: &[u8],
    profile: Option<&[u8]>,
) -> Option<DynamicImage> {
    let profile = profile
        .and_then(read_profile)
        .filter(|profile| profile.color_space == DataColorSpace::Cmyk);
    // The library has one name, Rgba, for all layouts of four channels.
    let transform = profile.and_then(|profile| transform(&profile, Layout::Rgba, Layout::Rgb));
    let printed = transform.and_then(|transform| {
        let inks: Vec<u8> = stored.iter().map(|value| 255 - value).collect();
        convert(&transform, &inks, 4, 3)
    });
    let pixels = printed.unwrap_or_else(|| stored.chunks_exact(4).flat_map(plain_inks).collect());
    RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
}

/// The light that a colour ink under the black ink reflects. Both are stored inverted.
fn plain_inks(pixel: &[u8]) -> [u8; 3] {
    let &[cyan, magenta, yellow, black] = pixel else { return [255; 3] };
    // At most 255: the product of two bytes divided by 255, rounded.
    [cyan, magenta, yellow].map(|ink| ((u32::from(ink) * u32::from(black) + 127) / 255) as u8)
}

/// Converts to 8-bit RGB and lays transparency over white, the background that most such pictures
/// were drawn for.
pub(super) fn over_white(image: DynamicImage) -> RgbImage {
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

type Transform = Arc<Transform8BitExecutor>;

fn read_profile(bytes: &[u8]) -> Option<ColorProfile> {
    if bytes.len() > MAX_PROFILE_BYTES {
        return None;
    }
    // A broken profile must neither end the process nor cost the picture.
    catch_unwind(AssertUnwindSafe(|| ColorProfile::new_from_slice(bytes).ok())).ok().flatten()
}

/// The conversion to sRGB. `None` for a profile that cannot be used or that changes nothing.
fn transform(profile: &ColorProfile, from: Layout, to: Layout) -> Option<Transform> {
    let build = || {
        profile
            .create_transform_8bit(from, &ColorProfile::new_srgb(), to, TransformOptions::default())
            .ok()
    };
    let transform = catch_unwind(AssertUnwindSafe(build)).ok().flatten()?;
    if (from, to) == (Layout::Rgb, Layout::Rgb) || (from, to) == (Layout::Rgba, Layout::Rgba) {
        return changes_colours(&transform, if to == Layout::Rgb { 3 } else { 4 })
            .then_some(transform);
    }
    Some(transform)
}

/// Whether a transform changes any colour by more than rounding. Most profiles do not: they are
/// sRGB under one of many names.
fn changes_colours(transform: &Transform, channels: usize) -> bool {
    let steps = [0, 32, 64, 96, 128, 160, 192, 224, 255];
    let mut probe = Vec::new();
    for red in steps {
        for green in steps {
            for blue in steps {
                probe
                    .extend_from_slice([red, green, blue, 255].get(..channels).unwrap_or_default());
            }
        }
    }
    let seen = convert(transform, &probe, channels, channels);
    seen.is_some_and(|seen| probe.iter().zip(&seen).any(|(was, is)| was.abs_diff(*is) > 1))
}

/// Converts pixels of `from` channels to pixels of `to` channels. `None` where the transform fails.
fn convert(transform: &Transform, pixels: &[u8], from: usize, to: usize) -> Option<Vec<u8>> {
    let mut converted = vec![0; pixels.len() / from * to];
    transform.transform(pixels, &mut converted).ok()?;
    Some(converted)
}

fn convert_in_place(transform: &Transform, pixels: &mut [u8], channels: usize) {
    // In blocks that fit into the CPU's cache. A second whole picture would double the memory.
    for part in pixels.chunks_mut(channels * 4096) {
        if let Some(converted) = convert(transform, part, channels, channels) {
            part.copy_from_slice(&converted);
        }
    }
}
