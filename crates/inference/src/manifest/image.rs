//! `[image]`: the image tower, from pixels to vectors.

use serde::{Deserialize, Serialize};

use super::outputs::check_outputs;
use super::{ExtraInput, require};

/// Longest accepted side of a model's input in pixels. Real models stay below 1,024.
const MAX_INPUT_SIDE: u32 = 4096;

/// The image tower: a graph from pixels (f32 or f16, batch x 3 x height x width, RGB) to vectors
/// (f32 or f16, batch x dim). The graph declares the types, and whether its batch has a fixed size.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ImageTower {
    /// Name of the graph's input for pixels.
    pub input: String,
    /// Possible names of the output with the vectors. The first one that exists is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// Position of the output with the vectors, from 0. Instead of `outputs`, where the name is not
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_index: Option<usize>,
    /// Width of the input in pixels.
    pub width: u32,
    /// Height of the input in pixels.
    pub height: u32,
    /// How a picture of any shape becomes `width` x `height`.
    pub resize: ResizeMode,
    /// With `shortest_crop`: the length in pixels that the shortest side is scaled to before the
    /// crop. 0 means `width`.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub resize_to: u32,
    /// The interpolation, always with antialiasing.
    pub filter: ResampleFilter,
    /// Whether pixels are rounded to whole values after resizing.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub order: PixelOrder,
    /// Factor for pixel values from 0 to 255.
    #[serde(default = "one_over_255")]
    pub scale: f32,
    /// Subtracted per channel (R, G, B) after scaling.
    pub mean: [f32; 3],
    /// Divisor per channel (R, G, B) after the mean is subtracted.
    pub std: [f32; 3],
    /// Inputs that the graph requires and that do not change the vector of a picture: a graph that
    /// holds both towers needs a text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_inputs: Vec<ExtraInput>,
}

/// How a picture of any shape becomes the model's input size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeMode {
    /// Both sides are scaled to the input size, and the aspect ratio is lost (SigLIP, Chinese-CLIP,
    /// DINOv3).
    Squash,
    /// The shortest side is scaled to `resize_to` and the middle is kept (CLIP). Needs a square
    /// input.
    ShortestCrop,
    /// The longest side is scaled to the input size. The picture lies at the top left and the rest
    /// is black (detectors).
    LetterboxTopleft,
}

/// Interpolation, named as in Pillow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResampleFilter {
    /// Linear.
    Bilinear,
    /// Cubic with a = -0.5.
    Bicubic,
    /// Lanczos with three lobes.
    Lanczos,
}

/// Whether pixels are resized or rescaled first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PixelOrder {
    /// Pixels are resized and rounded to whole values, as image libraries do (nearly all models).
    #[default]
    ResizeThenRescale,
    /// Pixels are resized as f32 and never rounded (DINOv3).
    RescaleThenResize,
}

fn one_over_255() -> f32 {
    1.0 / 255.0
}

impl ImageTower {
    pub(crate) fn check(&self) -> Result<(), String> {
        check_outputs("image", &self.input, &self.outputs, self.output_index)?;
        require(
            [self.width, self.height].iter().all(|side| (1..=MAX_INPUT_SIDE).contains(side)),
            || format!("[image] `width` and `height` must be 1 to {MAX_INPUT_SIDE}"),
        )?;
        let crops = self.resize == ResizeMode::ShortestCrop;
        require(!crops || self.width == self.height, || {
            String::from("[image] `resize = \"shortest_crop\"` needs `width` equal to `height`")
        })?;
        require(
            self.resize_to == 0 || crops && (self.width..=MAX_INPUT_SIDE).contains(&self.resize_to),
            || {
                format!(
                    "[image] `resize_to` is for `resize = \"shortest_crop\"` \
                     and must be `width` to {MAX_INPUT_SIDE}"
                )
            },
        )?;
        let usable = self.scale.is_finite()
            && self.mean.iter().all(|mean| mean.is_finite())
            && self.std.iter().all(|std| std.is_finite() && *std != 0.0);
        require(usable, || {
            String::from("[image] `scale`, `mean` and `std` must be finite and no `std` may be 0")
        })?;
        ExtraInput::check_all("image", &self.extra_inputs)
    }
}
