//! Pictures to vectors.

use std::borrow::Borrow;
use std::sync::Arc;

use ort::value::TensorElementType;

use crate::lane::{Input, Lane, Matrix, Values};
use crate::manifest::{ImageTower, Manifest};
use crate::ports::Ports;
use crate::preprocess::Preprocess;
use crate::source::Graph;
use crate::{Embedding, ModelError, Picture, Pixels, Runtime};

const TOWER: &str = "image";

/// The image tower of a model, loaded. Cheap to clone; all clones share one thread and one copy of the weights.
#[derive(Clone)]
pub struct ImageEncoder(Arc<Loaded>);

struct Loaded {
    model: String,
    dim: usize,
    provider: &'static str,
    preprocess: Preprocess,
    shape: [usize; 3],
    input: String,
    output: String,
    max_batch: usize,
    lane: Lane,
}

impl ImageEncoder {
    pub(crate) fn load(
        runtime: &Runtime,
        manifest: &Manifest,
        tower: &ImageTower,
        graph: Graph,
        max_batch: usize,
    ) -> Result<ImageEncoder, ModelError> {
        let (lane, ports) = Lane::start(runtime, &manifest.id, TOWER, graph)?;
        let wrong = |reason| ModelError::Manifest { model: manifest.id.clone(), reason };
        let largest = largest_batch(&ports, tower).map_err(wrong)?;
        let output = ports.output(&tower.outputs, manifest.dim).map_err(wrong)?;
        let encoder = ImageEncoder(Arc::new(Loaded {
            model: manifest.id.clone(),
            dim: manifest.dim,
            provider: runtime.provider(),
            preprocess: Preprocess::new(tower),
            shape: [3, tower.height as usize, tower.width as usize],
            input: tower.input.clone(),
            output,
            max_batch: max_batch.clamp(1, largest),
            lane,
        }));
        // The first run allocates; and only a run shows the real dimension where the graph leaves it open. Its values
        // do not matter: a black picture may well have no direction.
        encoder.run(&[Pixels { data: vec![0.0; encoder.0.preprocess.len()] }])?;
        Ok(encoder)
    }

    /// Resizes and normalises a picture as this model needs it. CPU only; takes no turn on the model's thread.
    pub fn prepare(&self, picture: &Picture) -> Pixels {
        self.0.preprocess.prepare(picture)
    }

    /// Vectors of pictures, one per picture, in their order. More than the largest batch are run in several.
    ///
    /// Blocks until all are done. One bad picture fails the whole call: retry one by one to find it.
    ///
    /// # Errors
    /// [`ModelError::Input`] for pixels of another model, [`ModelError::NotFinite`], [`ModelError::Run`];
    /// [`ModelError::Stopped`] is fatal.
    pub fn encode(&self, pictures: &[impl Borrow<Pixels>]) -> Result<Vec<Embedding>, ModelError> {
        let mut embeddings = Vec::with_capacity(pictures.len());
        for batch in pictures.chunks(self.0.max_batch) {
            let first = embeddings.len();
            self.check(first, batch)?;
            let matrix = self.run(batch)?;
            for (row, values) in matrix.values.chunks_exact(self.0.dim).enumerate() {
                embeddings.push(
                    Embedding::normalise(values.to_vec())
                        .ok_or_else(|| ModelError::NotFinite { model: self.0.model.clone(), index: first + row })?,
                );
            }
        }
        Ok(embeddings)
    }

    /// Length of the vectors.
    pub fn dim(&self) -> usize {
        self.0.dim
    }

    /// Most pictures in one run.
    pub fn max_batch(&self) -> usize {
        self.0.max_batch
    }

    /// Side of the model's input in pixels, the longer one: the [`Detail`](crate::Detail) a picture is needed with.
    pub fn side(&self) -> u32 {
        let [_, height, width] = self.0.shape;
        // Both come from the manifest, as u32.
        u32::try_from(height.max(width)).unwrap_or(u32::MAX)
    }

    /// The execution provider that really runs the model.
    pub fn provider(&self) -> &str {
        self.0.provider
    }

    fn check(&self, first: usize, batch: &[impl Borrow<Pixels>]) -> Result<(), ModelError> {
        let wanted = self.0.preprocess.len();
        match batch.iter().position(|pixels| pixels.borrow().data.len() != wanted) {
            None => Ok(()),
            Some(row) => Err(ModelError::Input {
                model: self.0.model.clone(),
                index: first + row,
                reason: format!(
                    "it has {} pixel values and the model needs {wanted}: prepare the picture with this encoder",
                    batch.get(row).map_or(0, |pixels| pixels.borrow().data.len())
                ),
            }),
        }
    }

    /// One run. The result has one row of `dim` values per picture.
    fn run(&self, batch: &[impl Borrow<Pixels>]) -> Result<Matrix, ModelError> {
        let Loaded { model, dim, shape: [channels, height, width], input, output, lane, .. } = &*self.0;
        let rows = batch.len();
        let mut values = Vec::with_capacity(rows * self.0.preprocess.len());
        for pixels in batch {
            values.extend_from_slice(&pixels.borrow().data);
        }
        let shape = vec![rows, *channels, *height, *width];
        let matrix = lane.run(vec![Input { name: input.clone(), shape, values: Values::F32(values) }], output)?;
        matrix.expect(model, rows, *dim)
    }
}

/// Checks the input for pixels and says how many pictures the graph takes at once.
fn largest_batch(ports: &Ports, tower: &ImageTower) -> Result<usize, String> {
    let port = ports.input(&tower.input, 4)?;
    ports.only_inputs(&[&tower.input])?;
    if port.element != Some(TensorElementType::Float32) {
        return Err(format!("the input `{}` is not float32: export the graph with float32 inputs", port.name));
    }
    let wanted = [3, i64::from(tower.height), i64::from(tower.width)];
    let fits = port.shape.iter().skip(1).zip(wanted).all(|(has, wanted)| *has < 0 || *has == wanted);
    match port.shape.first() {
        Some(batch) if fits && *batch < 0 => Ok(usize::MAX),
        Some(1) if fits => Ok(1),
        _ => Err(format!(
            "the input `{}` has the shape {:?} and batch x 3 x {} x {} is needed, with any batch or 1",
            port.name, port.shape, tower.height, tower.width
        )),
    }
}
