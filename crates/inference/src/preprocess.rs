//! Preprocessing: from an upright picture to the values that a model takes.

use image::RgbImage;

use crate::Picture;
use crate::manifest::{ImageTower, PixelOrder, ResizeMode};
use crate::resize::{Area, resize, resize_unrounded};

/// One picture as an image tower takes it: 3 x height x width values, channel by channel (R, G, B),
/// rows from top to bottom.
#[derive(Debug, Clone, PartialEq)]
pub struct Pixels {
    /// The values. Empty for a picture without pixels, which the encoder refuses.
    pub data: Vec<f32>,
}

/// The preprocessing of one image tower.
#[derive(Debug, Clone)]
pub(crate) struct Preprocess {
    tower: ImageTower,
    /// The value of every byte in every channel: (byte x scale - mean) / std.
    values: [[f32; 256]; 3],
}

impl Preprocess {
    pub(crate) fn new(tower: &ImageTower) -> Preprocess {
        let mut values = [[0.0; 256]; 3];
        for ((values, mean), std) in values.iter_mut().zip(tower.mean).zip(tower.std) {
            for (value, byte) in values.iter_mut().zip(0_u8..=255) {
                *value = (f32::from(byte) * tower.scale - mean) / std;
            }
        }
        Preprocess { tower: tower.clone(), values }
    }

    /// Number of values of one picture: 3 x height x width.
    pub(crate) fn len(&self) -> usize {
        3 * self.tower.width as usize * self.tower.height as usize
    }

    pub(crate) fn prepare(&self, picture: &Picture) -> Pixels {
        Pixels { data: self.values_of(picture).unwrap_or_default() }
    }

    fn values_of(&self, picture: &Picture) -> Option<Vec<f32>> {
        let (area, width, height) = self.area_and_size(&picture.rgb);
        let (picture, area) = (&picture.rgb, picture.shown(area));
        match self.tower.order {
            PixelOrder::ResizeThenRescale => {
                let small = resize(picture, area, width, height, self.tower.filter)?;
                let look_up = |channel: usize, byte: u8| {
                    self.values.get(channel)?.get(usize::from(byte)).copied()
                };
                Some(self.planes(small.as_raw(), width, |channel, byte| {
                    look_up(channel, byte).unwrap_or_default()
                }))
            }
            PixelOrder::RescaleThenResize => {
                let small = resize_unrounded(picture, area, width, height, self.tower.filter)?;
                let ImageTower { scale, mean, std, .. } = &self.tower;
                let scaled = |channel: usize, value: f32| {
                    Some((value * scale - mean.get(channel)?) / std.get(channel)?)
                };
                Some(self.planes(&small, width, |channel, value| {
                    scaled(channel, value).unwrap_or_default()
                }))
            }
        }
    }

    /// The part of the picture to use, and the size to scale it to.
    fn area_and_size(&self, picture: &RgbImage) -> (Area, u32, u32) {
        let ImageTower { width, height, resize, resize_to, .. } = self.tower;
        match resize {
            ResizeMode::Squash => (Area::whole(picture), width, height),
            ResizeMode::ShortestCrop => {
                let shortest = if resize_to == 0 { width } else { resize_to };
                (centre_crop(picture.width(), picture.height(), shortest, width), width, height)
            }
            ResizeMode::LetterboxTopleft => {
                let (width, height) = fit(picture.width(), picture.height(), width, height);
                (Area::whole(picture), width, height)
            }
        }
    }

    /// Arranges pixels (R, G, B, R, …), in rows of `width`, as one plane per channel of the input's
    /// size. The rest of each plane is black.
    fn planes<T: Copy>(
        &self,
        pixels: &[T],
        width: u32,
        normalise: impl Fn(usize, T) -> f32,
    ) -> Vec<f32> {
        let (full_width, full_height) = (self.tower.width as usize, self.tower.height as usize);
        let mut data = Vec::with_capacity(self.len());
        for (channel, values) in self.values.iter().enumerate() {
            let black = values.first().copied().unwrap_or_default();
            for row in pixels.chunks_exact(3 * width.max(1) as usize).take(full_height) {
                let filled = data.len() + full_width;
                data.extend(
                    row.iter().skip(channel).step_by(3).map(|value| normalise(channel, *value)),
                );
                data.resize(filled, black);
            }
            data.resize((channel + 1) * full_width * full_height, black);
        }
        data
    }
}

/// The size at which a `width` x `height` picture fits into `most_width` x `most_height`. Rounded
/// down, as InsightFace does.
fn fit(width: u32, height: u32, most_width: u32, most_height: u32) -> (u32, u32) {
    let product = |a: u32, b: u32| u64::from(a) * u64::from(b);
    let part = |length: u32, of: u32, other: u32| {
        u32::try_from(product(length, of) / u64::from(other.max(1))).unwrap_or(u32::MAX)
    };
    if product(height, most_width) > product(width, most_height) {
        (part(most_height, width, height).clamp(1, most_width), most_height)
    } else {
        (most_width, part(most_width, height, width).clamp(1, most_height))
    }
}

/// The centre crop of a `width` x `height` picture, in pixels of the picture: its shortest side is
/// scaled to `shortest`, and the middle `side` x `side` pixels are kept.
///
/// Sizes are rounded as in Hugging Face's `CLIPImageProcessor`: the scaled long side is
/// `int(shortest * long / short)`, and the margin before the crop is `(long - side) // 2`. Scaling
/// only the crop gives the same pixels as scaling the whole picture, at a cost that does not grow
/// with the aspect ratio.
fn centre_crop(width: u32, height: u32, shortest: u32, side: u32) -> Area {
    let short = u64::from(width.min(height)).max(1);
    let scaled = |length: u32| u64::from(shortest) * u64::from(length) / short;
    let kept = |length: u32| {
        let step = f64::from(length) / scaled(length).max(1) as f64;
        let margin = (scaled(length).saturating_sub(side.into())) / 2;
        (margin as f64 * step, f64::from(side) * step)
    };
    let (left, width) = kept(width);
    let (top, height) = kept(height);
    Area { left, top, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::ResampleFilter;
    use crate::{Metadata, PictureFormat};

    fn tower(resize: ResizeMode) -> ImageTower {
        ImageTower {
            input: "pixel_values".into(),
            outputs: vec!["image_embeds".into()],
            output_index: None,
            width: 2,
            height: 2,
            resize,
            resize_to: 0,
            order: PixelOrder::ResizeThenRescale,
            extra_inputs: Vec::new(),
            filter: ResampleFilter::Bicubic,
            scale: 1.0 / 255.0,
            mean: [0.5, 0.25, 0.0],
            std: [0.5, 0.25, 1.0],
        }
    }

    fn picture(rgb: RgbImage) -> Picture {
        let (width, height) = rgb.dimensions();
        Picture {
            rgb,
            format: PictureFormat::Png,
            width,
            height,
            orientation: 1,
            metadata: Metadata::default(),
        }
    }

    #[test]
    fn channels_come_one_after_the_other_and_are_normalised_each_on_its_own() {
        let rgb =
            RgbImage::from_raw(2, 2, vec![0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 255, 51]).unwrap();
        let pixels = Preprocess::new(&tower(ResizeMode::Squash)).prepare(&picture(rgb));
        let expected = [-1.0, 1.0, 1.0, -1.0, -1.0, 3.0, -1.0, 3.0, 0.0, 1.0, 0.0, 0.2];
        assert_eq!(pixels.data.len(), 12);
        for (ours, theirs) in pixels.data.iter().zip(expected) {
            assert!((ours - theirs).abs() < 1e-6, "{:?}", pixels.data);
        }
    }

    #[test]
    fn the_middle_is_cut_with_the_rounding_of_hugging_face() {
        // 500 x 335 to 224: scaled to 334 x 224, 55 columns off the left.
        let area = centre_crop(500, 335, 224, 224);
        let step = 500.0 / 334.0;
        assert!(
            (area.left - 55.0 * step).abs() < 1e-9 && (area.width - 224.0 * step).abs() < 1e-9,
            "{area:?}"
        );
        assert!(area.top == 0.0 && (area.height - 335.0).abs() < 1e-9, "{area:?}");
        // 3 x 4 to 2: scaled to 2 x 2, nothing is cut.
        assert_eq!(centre_crop(3, 4, 2, 2), Area { left: 0.0, top: 0.0, width: 3.0, height: 4.0 });
        // 256 x 256 to 256, of which the middle 224.
        assert_eq!(
            centre_crop(256, 256, 256, 224),
            Area { left: 16.0, top: 16.0, width: 224.0, height: 224.0 }
        );
    }

    #[test]
    fn only_the_middle_of_a_wide_picture_counts() {
        let rgb = RgbImage::from_fn(60, 20, |x, _| {
            if (20..40).contains(&x) { image::Rgb([255; 3]) } else { image::Rgb([0; 3]) }
        });
        let cropped =
            Preprocess::new(&tower(ResizeMode::ShortestCrop)).prepare(&picture(rgb.clone()));
        let squashed = Preprocess::new(&tower(ResizeMode::Squash)).prepare(&picture(rgb));
        assert!(cropped.data.iter().take(4).all(|value| *value > 0.8), "{:?}", cropped.data);
        assert!(squashed.data.iter().take(4).all(|value| *value < 0.0), "{:?}", squashed.data);
    }

    #[test]
    fn extreme_shapes_are_prepared() {
        for (width, height) in [(30_000, 1), (1, 30_000), (1, 1)] {
            for mode in [ResizeMode::Squash, ResizeMode::ShortestCrop, ResizeMode::LetterboxTopleft]
            {
                for order in [PixelOrder::ResizeThenRescale, PixelOrder::RescaleThenResize] {
                    let tower = ImageTower { order, ..tower(mode) };
                    let pixels =
                        Preprocess::new(&tower).prepare(&picture(RgbImage::new(width, height)));
                    assert_eq!(pixels.data.len(), 12, "{width} x {height} {mode:?}");
                }
            }
        }
    }

    #[test]
    fn a_letterbox_keeps_the_shape_and_is_black_below_and_right() {
        let black = [-1.0, -1.0, 0.0];
        for (size, free) in [((40, 20), [2, 3]), ((20, 40), [1, 3])] {
            let pixels = Preprocess::new(&tower(ResizeMode::LetterboxTopleft))
                .prepare(&picture(RgbImage::from_pixel(size.0, size.1, image::Rgb([255; 3]))));
            assert_eq!(pixels.data.len(), 12);
            for (index, value) in pixels.data.iter().enumerate() {
                let is_black = (value - black[index / 4]).abs() < 1e-6;
                assert_eq!(is_black, free.contains(&(index % 4)), "{size:?}: {:?}", pixels.data);
            }
        }
        assert_eq!((fit(1000, 333, 640, 640), fit(333, 1000, 640, 640)), ((640, 213), (213, 640)));
    }

    #[test]
    fn unrounded_pixels_lie_within_half_a_level_of_rounded_ones() {
        let rgb = RgbImage::from_fn(37, 29, |x, y| {
            image::Rgb([(x * 6) as u8, (y * 8) as u8, (x * y % 256) as u8])
        });
        let of = |order| {
            Preprocess::new(&ImageTower { order, ..tower(ResizeMode::Squash) })
                .prepare(&picture(rgb.clone()))
                .data
        };
        let (rounded, exact) =
            (of(PixelOrder::ResizeThenRescale), of(PixelOrder::RescaleThenResize));
        let level = |index: usize| 1.0 / 255.0 / [0.5, 0.25, 1.0][index / 4];
        // Half a level for each of the two roundings, one per direction.
        let apart = |(index, (a, b)): (usize, (&f32, &f32))| (a - b).abs() / level(index);
        let apart: Vec<f32> = rounded.iter().zip(&exact).enumerate().map(apart).collect();
        assert!(
            apart.iter().all(|levels| *levels <= 1.0) && apart.iter().any(|levels| *levels > 0.01),
            "{apart:?}"
        );
    }

    #[test]
    fn a_picture_without_pixels_has_no_values() {
        assert!(
            Preprocess::new(&tower(ResizeMode::ShortestCrop))
                .prepare(&picture(RgbImage::new(0, 0)))
                .data
                .is_empty()
        );
    }
}
