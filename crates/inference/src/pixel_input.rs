//! The pixel input of a graph: from pictures to the values of one run.

use std::borrow::Borrow;

use crate::manifest::ImageTower;
use crate::onnx::{GraphInput, GraphSignature, MAX_FIXED_BATCH, TensorSpec, TensorValues};
use crate::preprocess::Preprocess;
use crate::{Picture, Pixels};

/// An input of the shape batch x 3 x height x width, with the preprocessing that makes its values.
pub(crate) struct PixelInput {
    name: String,
    /// Whether the graph takes f16 values.
    half: bool,
    /// Height and width in pixels.
    size: (u32, u32),
    preprocess: Preprocess,
}

impl PixelInput {
    pub(crate) fn new(spec: &TensorSpec, tower: &ImageTower) -> PixelInput {
        PixelInput {
            name: spec.name.clone(),
            half: spec.is_half(),
            size: (tower.height, tower.width),
            preprocess: Preprocess::new(tower),
        }
    }

    /// Resizes and normalises a picture.
    pub(crate) fn prepare(&self, picture: &Picture) -> Pixels {
        self.preprocess.prepare(picture)
    }

    /// Zeros of the right number, for a first run.
    pub(crate) fn zeros(&self) -> Pixels {
        Pixels { data: vec![0.0; self.preprocess.len()] }
    }

    /// The longer side of the input in pixels.
    pub(crate) fn side(&self) -> u32 {
        let (height, width) = self.size;
        height.max(width)
    }

    /// The input for a run of `rows` pictures. Missing pictures are filled up with zeros.
    ///
    /// # Errors
    /// The position of a picture with another number of values, and a reason.
    pub(crate) fn fill(
        &self,
        pictures: &[impl Borrow<Pixels>],
        rows: usize,
    ) -> Result<GraphInput, (usize, String)> {
        let needed = self.preprocess.len();
        let mut values = Vec::with_capacity(rows * needed);
        for (index, pixels) in pictures.iter().enumerate() {
            let data = &pixels.borrow().data;
            if data.len() != needed {
                let reason = format!(
                    "it has {} pixel values and the model needs {needed}: \
                     prepare the picture with this model",
                    data.len()
                );
                return Err((index, reason));
            }
            values.extend_from_slice(data);
        }
        values.resize(rows * needed, 0.0);
        let (height, width) = self.size;
        Ok(GraphInput {
            name: self.name.clone(),
            shape: vec![rows, 3, height as usize, width as usize],
            values: TensorValues::floats(values, self.half),
        })
    }
}

/// Finds the pixel input of an image tower, which must fit the manifest.
pub(crate) fn find_pixel_input<'s>(
    signature: &'s GraphSignature,
    tower: &ImageTower,
) -> Result<&'s TensorSpec, String> {
    let spec = signature.input(&tower.input, 4)?;
    let extra = tower.extra_inputs.iter().map(|input| input.name.as_str());
    signature.only_inputs(&extra.chain([tower.input.as_str()]).collect::<Vec<_>>())?;
    if !spec.is_float() {
        return Err(format!(
            "the input `{}` is neither float32 nor float16: export the graph with such inputs",
            spec.name
        ));
    }
    let needed = [3, i64::from(tower.height), i64::from(tower.width)];
    let fits =
        spec.shape.iter().skip(1).zip(needed).all(|(has, needed)| *has < 0 || *has == needed);
    match spec.shape.first() {
        Some(batch) if fits && *batch <= MAX_FIXED_BATCH && *batch != 0 => Ok(spec),
        _ => Err(format!(
            "the input `{}` has the shape {:?} and batch x 3 x {} x {} is needed, \
             with a batch of any size or of at most {MAX_FIXED_BATCH}",
            spec.name, spec.shape, tower.height, tower.width
        )),
    }
}
