//! The image encoder: pictures to vectors.

use std::borrow::Borrow;
use std::sync::Arc;

use crate::manifest::{ImageTower, Manifest};
use crate::onnx::{BatchSize, DefaultBatch, Graph, Matrix};
use crate::pixel_input::{PixelInput, find_pixel_input};
use crate::tower::{Tower, TowerSettings};
use crate::{Embedding, ModelError, Picture, Pixels, Placement, Runtime};

/// On a CPU a larger batch is hardly faster, and each picture waits longer. A GPU needs a large one
/// to be busy.
const DEFAULT_BATCH: DefaultBatch = DefaultBatch { cpu: 8, gpu: 64 };

/// The loaded image tower of a model. Cheap to clone: all clones share one thread and one copy of
/// the weights.
#[derive(Clone)]
pub struct ImageEncoder(Arc<LoadedImageTower>);

struct LoadedImageTower {
    tower: Tower,
    input: PixelInput,
    /// Pictures in one run.
    batch: BatchSize,
    /// Rows of every run, where the graph insists on a number. Missing pictures are filled up with
    /// zeros.
    fixed_batch: Option<usize>,
}

impl ImageEncoder {
    pub(crate) fn load(
        runtime: &Runtime,
        manifest: &Manifest,
        section: &ImageTower,
        graph: Graph,
        max_batch: usize,
    ) -> Result<ImageEncoder, ModelError> {
        let settings = TowerSettings {
            name: "image",
            outputs: &section.outputs,
            output_index: section.output_index,
            extra_inputs: &section.extra_inputs,
        };
        let (tower, (input, fixed_batch)) =
            Tower::load(runtime, manifest, graph, &settings, |signature| {
                let spec = find_pixel_input(signature, section)?;
                let fixed = spec.shape.first().and_then(|batch| usize::try_from(*batch).ok());
                Ok((PixelInput::new(spec, section), fixed))
            })?;
        let max_batch =
            fixed_batch.unwrap_or_else(|| DEFAULT_BATCH.resolve(max_batch, tower.placement()));
        let batch = BatchSize::new(max_batch);
        let encoder = ImageEncoder(Arc::new(LoadedImageTower { tower, input, batch, fixed_batch }));
        // The first run allocates memory, and shows the real dimension where the graph leaves it
        // open. Its vector is not used: zeros may well have no direction.
        encoder.run(0, &[encoder.0.input.zeros()])?;
        Ok(encoder)
    }

    /// Resizes and normalises a picture for this model. Computes on the caller's thread.
    pub fn prepare(&self, picture: &Picture) -> Pixels {
        self.0.input.prepare(picture)
    }

    /// Encodes pictures: one vector per picture, in their order. Takes several runs for more
    /// pictures than the largest batch.
    ///
    /// Blocks until all are done. One bad picture fails the whole call; encode the pictures one by
    /// one to find it.
    ///
    /// # Errors
    /// [`ModelError::Input`] for pixels of another model, [`ModelError::NotFinite`],
    /// [`ModelError::Run`]; [`ModelError::Stopped`] is fatal.
    pub fn encode(&self, pictures: &[impl Borrow<Pixels>]) -> Result<Vec<Embedding>, ModelError> {
        let LoadedImageTower { tower, batch, fixed_batch, .. } = &*self.0;
        let mut embeddings = Vec::with_capacity(pictures.len());
        let mut rest = pictures;
        while !rest.is_empty() {
            let first = embeddings.len();
            let (done, matrix) =
                batch.run_some(rest, fixed_batch.is_some(), |some| self.run(first, some))?;
            rest = rest.get(done..).unwrap_or_default();
            embeddings.extend(tower.embeddings(first, &matrix)?);
        }
        Ok(embeddings)
    }

    /// Model id.
    pub fn model(&self) -> &str {
        self.0.tower.model()
    }

    /// Length of the vectors.
    pub fn dim(&self) -> usize {
        self.0.tower.dim()
    }

    /// Largest number of pictures in one run.
    pub fn max_batch(&self) -> usize {
        self.0.batch.max()
    }

    /// Largest number of pictures in one run at present: less than [`max_batch`](Self::max_batch)
    /// after memory has run out.
    pub fn batch(&self) -> usize {
        self.0.batch.get()
    }

    /// The longer side of the model's input in pixels: the [`Detail`](crate::Detail) to decode a
    /// picture with.
    pub fn side(&self) -> u32 {
        self.0.input.side()
    }

    /// The execution provider that runs the model.
    pub fn placement(&self) -> &Placement {
        self.0.tower.placement()
    }

    /// Runs the graph once. `first` is the position of the first picture in the request.
    fn run(&self, first: usize, pictures: &[impl Borrow<Pixels>]) -> Result<Matrix, ModelError> {
        let LoadedImageTower { tower, input, fixed_batch, .. } = &*self.0;
        let rows = fixed_batch.unwrap_or(pictures.len());
        let pixels = input
            .fill(pictures, rows)
            .map_err(|(index, reason)| tower.refused(first + index, reason))?;
        Ok(tower.run(vec![pixels], rows)?.keep(pictures.len()))
    }
}
