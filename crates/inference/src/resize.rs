//! Resizing with antialiasing, equal to Pillow within one level of 255.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

use crate::manifest::ResampleFilter;

/// A part of a picture, in pixels of the picture. Its edges may lie between pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Area {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Area {
    /// The whole picture.
    pub(crate) fn whole(picture: &RgbImage) -> Area {
        Area { left: 0.0, top: 0.0, width: picture.width().into(), height: picture.height().into() }
    }
}

/// Scales an area of a picture to `width` x `height` pixels. `None` where the picture, the area
/// or the result is empty.
///
/// Scales and rounds the width first, then the height. That is Pillow's order, and gives its values
/// within 1 of 255. A single call of the library would scale the height first and differ by up to
/// 6.
pub(crate) fn resize(
    picture: &RgbImage,
    area: Area,
    width: u32,
    height: u32,
    filter: ResampleFilter,
) -> Option<RgbImage> {
    let passes = ResizePasses::new(picture, area, width, height, filter)?;
    let source =
        ImageRef::new(picture.width(), picture.height(), picture.as_raw(), PixelType::U8x3).ok()?;
    let mut narrow = Image::new(width, picture.height(), PixelType::U8x3);
    let mut resizer = Resizer::new();
    resizer.resize(&source, &mut narrow, &passes.across(picture.height())).ok()?;
    let mut small = Image::new(width, height, PixelType::U8x3);
    resizer.resize(&narrow, &mut small, &passes.down(width)).ok()?;
    RgbImage::from_raw(width, height, small.into_vec())
}

/// Scales as [`resize`] does, without rounding. The values (R, G, B, R, …) lie between 0 and 255,
/// or a little beyond at sharp edges.
pub(crate) fn resize_unrounded(
    picture: &RgbImage,
    area: Area,
    width: u32,
    height: u32,
    filter: ResampleFilter,
) -> Option<Vec<f32>> {
    let passes = ResizePasses::new(picture, area, width, height, filter)?;
    let mut resizer = Resizer::new();
    let mut narrow = Vec::new();
    // Scaling the width handles each row on its own. So only a few rows at a time are f32 at full
    // width, which saves memory.
    for rows in picture.as_raw().chunks(ROWS_AT_ONCE * 3 * picture.width() as usize) {
        let count = u32::try_from(rows.len() / 3 / picture.width() as usize).ok()?;
        let wide: Vec<u8> = rows.iter().flat_map(|byte| f32::from(*byte).to_ne_bytes()).collect();
        let wide = Image::from_vec_u8(picture.width(), count, wide, PixelType::F32x3).ok()?;
        let mut part = Image::new(width, count, PixelType::F32x3);
        resizer.resize(&wide, &mut part, &passes.across(count)).ok()?;
        narrow.extend_from_slice(part.buffer());
    }
    let narrow = Image::from_vec_u8(width, picture.height(), narrow, PixelType::F32x3).ok()?;
    let mut small = Image::new(width, height, PixelType::F32x3);
    resizer.resize(&narrow, &mut small, &passes.down(width)).ok()?;
    Some(
        small
            .buffer()
            .chunks_exact(4)
            .filter_map(|bytes| Some(f32::from_ne_bytes(bytes.try_into().ok()?)))
            .collect(),
    )
}

/// Rows of a picture that are f32 at full width at a time.
const ROWS_AT_ONCE: usize = 64;

/// The two passes over a picture: across (width) and then down (height).
struct ResizePasses {
    algorithm: ResizeAlg,
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl ResizePasses {
    fn new(
        picture: &RgbImage,
        area: Area,
        width: u32,
        height: u32,
        filter: ResampleFilter,
    ) -> Option<ResizePasses> {
        let (full_width, full_height) = picture.dimensions();
        if full_width == 0 || full_height == 0 || width == 0 || height == 0 {
            return None;
        }
        let algorithm = ResizeAlg::Convolution(match filter {
            ResampleFilter::Bilinear => FilterType::Bilinear,
            ResampleFilter::Bicubic => FilterType::CatmullRom,
            ResampleFilter::Lanczos => FilterType::Lanczos3,
        });
        let left = area.left.clamp(0.0, full_width.into());
        let top = area.top.clamp(0.0, full_height.into());
        // Rounding may have put the far edge slightly outside.
        let right = (area.left + area.width).clamp(left, full_width.into());
        let bottom = (area.top + area.height).clamp(top, full_height.into());
        Some(ResizePasses { algorithm, left, top, right, bottom })
    }

    fn across(&self, rows: u32) -> ResizeOptions {
        ResizeOptions::new().resize_alg(self.algorithm).crop(
            self.left,
            0.0,
            self.right - self.left,
            rows.into(),
        )
    }

    fn down(&self, width: u32) -> ResizeOptions {
        ResizeOptions::new().resize_alg(self.algorithm).crop(
            0.0,
            self.top,
            width.into(),
            self.bottom - self.top,
        )
    }
}

#[cfg(test)]
#[path = "resize_pillow.rs"]
mod pillow;

#[cfg(test)]
mod tests {
    use super::pillow::{PILLOW, PILLOW_BOX};
    use super::*;

    /// A ramp whose values do not depend on anything but position.
    fn ramp(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(x * 37 % 256) as u8, (y * 53 % 256) as u8, ((x * 7 + y * 11) % 256) as u8])
        })
    }

    #[test]
    fn the_same_size_is_a_copy() {
        let picture = ramp(9, 7);
        assert_eq!(
            resize(&picture, Area::whole(&picture), 9, 7, ResampleFilter::Bicubic).unwrap(),
            picture
        );
    }

    #[test]
    fn one_colour_stays_one_colour_at_any_size() {
        let picture = RgbImage::from_pixel(31, 17, image::Rgb([10, 200, 77]));
        for (width, height) in [(1, 1), (64, 64), (224, 3)] {
            let small =
                resize(&picture, Area::whole(&picture), width, height, ResampleFilter::Bicubic)
                    .unwrap();
            assert!(small.pixels().all(|pixel| pixel.0 == [10, 200, 77]), "{width} x {height}");
        }
    }

    #[test]
    fn values_are_those_of_pillow() {
        // Pillow: Image.fromarray(ramp(13, 11)).resize((4, 3), resample).
        let picture = ramp(13, 11);
        for (filter, expected) in PILLOW {
            let small = resize(&picture, Area::whole(&picture), 4, 3, filter).unwrap();
            for (ours, theirs) in small.as_raw().iter().zip(expected) {
                assert!(ours.abs_diff(theirs) <= 1, "{filter:?}: {:?}", small.as_raw());
            }
        }
    }

    #[test]
    fn a_part_is_cut_between_pixels() {
        // Pillow: .resize((3, 3), BICUBIC, box=(1.5, 2.25, 9.5, 10.25)).
        let picture = ramp(13, 11);
        let area = Area { left: 1.5, top: 2.25, width: 8.0, height: 8.0 };
        let small = resize(&picture, area, 3, 3, ResampleFilter::Bicubic).unwrap();
        for (ours, theirs) in small.as_raw().iter().zip(PILLOW_BOX) {
            assert!(ours.abs_diff(theirs) <= 1, "{:?}", small.as_raw());
        }
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(
            resize(
                &RgbImage::new(0, 0),
                Area { left: 0.0, top: 0.0, width: 0.0, height: 0.0 },
                4,
                4,
                ResampleFilter::Bicubic
            )
            .is_none()
        );
        let picture = ramp(4, 4);
        assert!(resize(&picture, Area::whole(&picture), 0, 4, ResampleFilter::Bicubic).is_none());
    }
}
