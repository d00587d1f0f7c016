//! Pictures to vectors.

use std::borrow::Borrow;
use std::sync::Arc;

use crate::batch_size::BatchSize;
use crate::extra::Extra;
use crate::lane::{Input, Lane, Matrix, Values};
use crate::manifest::{ImageTower, Manifest};
use crate::ports::{Port, Ports};
use crate::preprocess::Preprocess;
use crate::source::Graph;
use crate::{Embedding, ModelError, Picture, Pixels, Placement, Runtime};

const TOWER: &str = "image";

/// Pictures per run where nothing else is asked for. On a CPU more are hardly faster and each waits
/// longer; a GPU is busy only with many.
const CPU_BATCH: usize = 8;
const GPU_BATCH: usize = 64;
/// Largest batch that a graph may insist on: every run fills it up.
const MAX_FIXED_BATCH: i64 = 1024;

/// The image tower of a model, loaded. Cheap to clone; all clones share one thread and one copy of
/// the weights.
#[derive(Clone)]
pub struct ImageEncoder(Arc<Loaded>);

struct Loaded {
    model: String,
    dim: usize,
    placement: Placement,
    preprocess: Preprocess,
    shape: [usize; 3],
    input: Port,
    extras: Vec<Extra>,
    output: String,
    /// Pictures in one run.
    batch: BatchSize,
    /// Rows of every run, where the graph insists on a number; missing pictures are filled up with
    /// black ones.
    fixed_batch: Option<usize>,
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
        let (lane, ports, placement) = Lane::start(runtime, &manifest.id, TOWER, graph)?;
        let wrong = |reason| ModelError::Manifest { model: manifest.id.clone(), reason };
        let input = pixels_port(&ports, tower).map_err(wrong)?;
        let extras = Extra::resolve(&ports, &tower.extra_inputs).map_err(wrong)?;
        let output =
            ports.output(&tower.outputs, tower.output_index, manifest.dim).map_err(wrong)?;
        let fixed_batch = input.shape.first().and_then(|batch| usize::try_from(*batch).ok());
        let wanted = match max_batch {
            0 if placement.is_gpu() => GPU_BATCH,
            0 => CPU_BATCH,
            wanted => wanted,
        };
        let encoder = ImageEncoder(Arc::new(Loaded {
            model: manifest.id.clone(),
            dim: manifest.dim,
            placement,
            preprocess: Preprocess::new(tower),
            shape: [3, tower.height as usize, tower.width as usize],
            input: input.clone(),
            extras,
            output,
            batch: BatchSize::new(fixed_batch.unwrap_or(wanted)),
            fixed_batch,
            lane,
        }));
        // The first run allocates; and only a run shows the real dimension where the graph leaves
        // it open. Its values do not matter: a black picture may well have no direction.
        encoder.run(&[Pixels { data: vec![0.0; encoder.0.preprocess.len()] }])?;
        Ok(encoder)
    }

    /// Resizes and normalises a picture as this model needs it. CPU only; takes no turn on the
    /// model's thread.
    pub fn prepare(&self, picture: &Picture) -> Pixels {
        self.0.preprocess.prepare(picture)
    }

    /// Vectors of pictures, one per picture, in their order. More than the largest batch are run in
    /// several.
    ///
    /// Blocks until all are done. One bad picture fails the whole call: retry one by one to find
    /// it.
    ///
    /// # Errors
    /// [`ModelError::Input`] for pixels of another model, [`ModelError::NotFinite`],
    /// [`ModelError::Run`]; [`ModelError::Stopped`] is fatal.
    pub fn encode(&self, pictures: &[impl Borrow<Pixels>]) -> Result<Vec<Embedding>, ModelError> {
        let mut embeddings = Vec::with_capacity(pictures.len());
        let mut rest = pictures;
        while !rest.is_empty() {
            let first = embeddings.len();
            // A graph that insists on its batch cannot be helped where memory runs out.
            let (batch, matrix) =
                self.0.batch.run_some(rest, self.0.fixed_batch.is_some(), |batch| {
                    self.check(first, batch)?;
                    self.run(batch)
                })?;
            rest = rest.get(batch..).unwrap_or_default();
            for (row, values) in matrix.values.chunks_exact(self.0.dim).enumerate() {
                embeddings.push(Embedding::normalise(values.to_vec()).ok_or_else(|| {
                    ModelError::NotFinite { model: self.0.model.clone(), index: first + row }
                })?);
            }
        }
        Ok(embeddings)
    }

    /// Model id.
    pub fn model(&self) -> &str {
        &self.0.model
    }

    /// Length of the vectors.
    pub fn dim(&self) -> usize {
        self.0.dim
    }

    /// Most pictures in one run.
    pub fn max_batch(&self) -> usize {
        self.0.batch.max()
    }

    /// Most pictures in one run at present: fewer than [`max_batch`](Self::max_batch) after memory
    /// has run out.
    pub fn batch(&self) -> usize {
        self.0.batch.get()
    }

    /// Side of the model's input in pixels, the longer one: the [`Detail`](crate::Detail) a picture
    /// is needed with.
    pub fn side(&self) -> u32 {
        let [_, height, width] = self.0.shape;
        // Both come from the manifest, as u32.
        u32::try_from(height.max(width)).unwrap_or(u32::MAX)
    }

    /// What really runs the model.
    pub fn placement(&self) -> &Placement {
        &self.0.placement
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
        let Loaded {
            model,
            dim,
            shape: [channels, height, width],
            input,
            extras,
            output,
            lane,
            ..
        } = &*self.0;
        let rows = self.0.fixed_batch.unwrap_or(batch.len());
        let mut values = Vec::with_capacity(rows * self.0.preprocess.len());
        for pixels in batch {
            values.extend_from_slice(&pixels.borrow().data);
        }
        values.resize(rows * self.0.preprocess.len(), 0.0);
        let shape = vec![rows, *channels, *height, *width];
        let mut inputs = vec![Input {
            name: input.name.clone(),
            shape,
            values: Values::floats(values, input.is_half()),
        }];
        inputs.extend(extras.iter().map(|extra| extra.fill(rows)));
        Ok(lane.run(inputs, output)?.expect(model, rows, *dim)?.keep(batch.len()))
    }
}

/// The graph's input for pixels, which must fit the manifest.
fn pixels_port<'p>(ports: &'p Ports, tower: &ImageTower) -> Result<&'p Port, String> {
    let port = ports.input(&tower.input, 4)?;
    let extra = tower.extra_inputs.iter().map(|input| input.name.as_str());
    ports.only_inputs(&extra.chain([tower.input.as_str()]).collect::<Vec<_>>())?;
    if !port.is_float() {
        return Err(format!(
            "the input `{}` is neither float32 nor float16: export the graph with such inputs",
            port.name
        ));
    }
    let wanted = [3, i64::from(tower.height), i64::from(tower.width)];
    let fits =
        port.shape.iter().skip(1).zip(wanted).all(|(has, wanted)| *has < 0 || *has == wanted);
    match port.shape.first() {
        Some(batch) if fits && *batch <= MAX_FIXED_BATCH && *batch != 0 => Ok(port),
        _ => Err(format!(
            "the input `{}` has the shape {:?} and batch x 3 x {} x {} is needed, with a batch of any size or of at most \
             {MAX_FIXED_BATCH}",
            port.name, port.shape, tower.height, tower.width
        )),
    }
}
