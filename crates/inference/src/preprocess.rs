//! From an upright picture to the numbers a model takes.

use image::RgbImage;

use crate::Picture;
use crate::manifest::{ImageTower, ResizeMode};
use crate::resize::{Area, resize};

/// One picture as an image tower takes it: 3 x height x width values, channel by channel (R, G, B), rows from the top.
#[derive(Debug, Clone, PartialEq)]
pub struct Pixels {
    /// The values; empty for a picture without pixels, which the encoder refuses.
    pub data: Vec<f32>,
}

/// The preprocessing of one image tower.
#[derive(Debug, Clone)]
pub(crate) struct Preprocess {
    tower: ImageTower,
    /// The value for every channel and pixel byte: (byte x scale - mean) / std.
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

    /// Values of one picture: 3 x height x width.
    pub(crate) fn len(&self) -> usize {
        3 * self.tower.width as usize * self.tower.height as usize
    }

    pub(crate) fn prepare(&self, picture: &Picture) -> Pixels {
        let ImageTower { width, height, filter, .. } = self.tower;
        let small = resize(&picture.rgb, picture.shown(self.area(&picture.rgb)), width, height, filter);
        Pixels { data: small.map(|small| self.normalise(&small)).unwrap_or_default() }
    }

    /// The part of the picture that fills the input.
    fn area(&self, picture: &RgbImage) -> Area {
        match self.tower.resize {
            ResizeMode::Squash => Area::whole(picture),
            ResizeMode::ShortestCrop => middle_square(picture.width(), picture.height(), self.tower.width),
        }
    }

    fn normalise(&self, picture: &RgbImage) -> Vec<f32> {
        let mut data = Vec::with_capacity(self.len());
        for (channel, values) in self.values.iter().enumerate() {
            let bytes = picture.as_raw().iter().skip(channel).step_by(3);
            data.extend(bytes.filter_map(|byte| values.get(usize::from(*byte))));
        }
        data
    }
}

/// What is left of a `width` x `height` picture when its shortest side is scaled to `side` and the middle `side` x
/// `side` pixels are cut out, in pixels of the picture.
///
/// Sizes are rounded as in Hugging Face's `CLIPImageProcessor`: the scaled long side is `int(side * long / short)` and
/// the margin before the cut is `(long - side) // 2`. Scaling only what is kept gives the same pixels as scaling
/// everything, at a cost that does not grow with the aspect ratio.
fn middle_square(width: u32, height: u32, side: u32) -> Area {
    let short = u64::from(width.min(height)).max(1);
    let scaled = |length: u32| u64::from(side) * u64::from(length) / short;
    let cut = |length: u32| {
        let step = f64::from(length) / scaled(length).max(1) as f64;
        let margin = (scaled(length).saturating_sub(side.into())) / 2;
        (margin as f64 * step, f64::from(side) * step)
    };
    let (left, width) = cut(width);
    let (top, height) = cut(height);
    Area { left, top, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Filter;
    use crate::{Metadata, PictureFormat};

    fn tower(resize: ResizeMode) -> ImageTower {
        ImageTower {
            input: "pixel_values".into(),
            outputs: vec!["image_embeds".into()],
            width: 2,
            height: 2,
            resize,
            filter: Filter::Bicubic,
            scale: 1.0 / 255.0,
            mean: [0.5, 0.25, 0.0],
            std: [0.5, 0.25, 1.0],
        }
    }

    fn picture(rgb: RgbImage) -> Picture {
        let (width, height) = rgb.dimensions();
        Picture { rgb, format: PictureFormat::Png, width, height, orientation: 1, metadata: Metadata::default() }
    }

    #[test]
    fn channels_come_one_after_the_other_and_are_normalised_each_on_its_own() {
        let rgb = RgbImage::from_raw(2, 2, vec![0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 255, 51]).unwrap();
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
        let area = middle_square(500, 335, 224);
        let step = 500.0 / 334.0;
        assert!((area.left - 55.0 * step).abs() < 1e-9 && (area.width - 224.0 * step).abs() < 1e-9, "{area:?}");
        assert!(area.top == 0.0 && (area.height - 335.0).abs() < 1e-9, "{area:?}");
        // 3 x 4 to 2: scaled to 2 x 2, nothing is cut.
        assert_eq!(middle_square(3, 4, 2), Area { left: 0.0, top: 0.0, width: 3.0, height: 4.0 });
    }

    #[test]
    fn only_the_middle_of_a_wide_picture_counts() {
        let rgb = RgbImage::from_fn(60, 20, |x, _| if (20..40).contains(&x) { image::Rgb([255; 3]) } else { image::Rgb([0; 3]) });
        let cropped = Preprocess::new(&tower(ResizeMode::ShortestCrop)).prepare(&picture(rgb.clone()));
        let squashed = Preprocess::new(&tower(ResizeMode::Squash)).prepare(&picture(rgb));
        assert!(cropped.data.iter().take(4).all(|value| *value > 0.8), "{:?}", cropped.data);
        assert!(squashed.data.iter().take(4).all(|value| *value < 0.0), "{:?}", squashed.data);
    }

    #[test]
    fn extreme_shapes_are_prepared() {
        for (width, height) in [(30_000, 1), (1, 30_000), (1, 1)] {
            for mode in [ResizeMode::Squash, ResizeMode::ShortestCrop] {
                let pixels = Preprocess::new(&tower(mode)).prepare(&picture(RgbImage::new(width, height)));
                assert_eq!(pixels.data.len(), 12, "{width} x {height} {mode:?}");
            }
        }
    }

    #[test]
    fn a_picture_without_pixels_has_no_values() {
        assert!(Preprocess::new(&tower(ResizeMode::ShortestCrop)).prepare(&picture(RgbImage::new(0, 0))).data.is_empty());
    }
}
