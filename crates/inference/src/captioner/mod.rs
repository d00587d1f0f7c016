//! Pictures to sentences: an encoder and a decoder with a cache of keys and values, in the layout
//! of two graphs in which the encoder computes once what the decoder needs of the picture. Greedy:
//! the likeliest token at every step, so that a picture always gets the same caption.

mod greedy;
mod manifest;

use std::borrow::Borrow;
use std::path::Path;
use std::sync::Arc;

use ort::value::{DynValue, TensorElementType};
use tokenizers::Tokenizer;

pub use manifest::{CaptionerManifest, Decoder, Language};

use crate::batch_size::BatchSize;
use crate::files::{self, Files};
use crate::lane::{Input, Lane, Values, raw};
use crate::manifest::FileRole;
use crate::ports::{Port, Ports};
use crate::preprocess::Preprocess;
use crate::source::DEMO_CAPTIONER;
use crate::{ModelError, Picture, Pixels, Placement, Runtime};
use greedy::{Rules, Shape, Written};

/// Pictures per run where nothing else is asked for: what the decoder keeps of a picture is some
/// ten megabytes.
const CPU_BATCH: usize = 4;
const GPU_BATCH: usize = 32;

/// A captioner whose files were verified; nothing of it is loaded yet.
#[derive(Debug, Clone)]
pub struct CaptionerModel {
    /// What `model.toml` says.
    pub manifest: CaptionerManifest,
    /// SHA-256 of `model.toml` as hex.
    pub digest: String,
    files: Files,
}

/// A caption in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caption {
    /// The sentence, trimmed; empty where the model had nothing to say.
    pub text: String,
    /// Its token ids, without prompt and end.
    pub ids: Vec<u32>,
    /// Whether it came to its end, instead of being cut at the longest length.
    pub ended: bool,
}

impl CaptionerModel {
    /// Finds a captioner and verifies size and SHA-256 of all its files.
    ///
    /// `demo-captioner` is compiled in. A name that holds a path separator is a folder with a
    /// `model.toml`; any other name is the folder of that name in `folder`, where models are kept.
    ///
    /// # Errors
    /// [`ModelError::UnknownModel`], [`ModelError::Manifest`] or [`ModelError::File`], all fatal.
    pub fn find(name: &str, folder: &Path) -> Result<CaptionerModel, ModelError> {
        let (manifest, digest, files) =
            files::find(name, folder, DEMO_CAPTIONER, CaptionerManifest::parse, |manifest| {
                (&manifest.id, &manifest.files)
            })?;
        Ok(CaptionerModel { manifest, digest, files })
    }

    /// Loads both graphs and the tokenizer, and captions a black picture once. `max_batch` is the
    /// most pictures in one run (0: 4 on a CPU, 32 on a GPU); `max_tokens` the longest caption (0:
    /// as the manifest says).
    ///
    /// # Errors
    /// [`ModelError::Manifest`] where manifest and graphs disagree, [`ModelError::File`] for a
    /// tokenizer that cannot be read, [`ModelError::Load`] or [`ModelError::Run`] where ONNX
    /// Runtime fails.
    pub fn load(
        &self,
        runtime: &Runtime,
        max_batch: usize,
        max_tokens: usize,
    ) -> Result<Captioner, ModelError> {
        let CaptionerManifest { id, image, decoder, .. } = &self.manifest;
        let wrong = |reason| ModelError::Manifest { model: id.clone(), reason };
        let path = self.files.path_of(FileRole::Tokenizer)?;
        let unusable = |error| {
            self.files.error(path, format!("is not a tokenizer this program reads: {error}"))
        };
        let tokenizer = Tokenizer::from_bytes(self.files.read(path)?).map_err(unusable)?;
        let (encoder, ports, _) =
            Lane::start(runtime, id, "image", self.files.graph(FileRole::Image)?)?;
        let input = ports.input(&image.input, 4).map_err(wrong)?.clone();
        let (lane, ports, placement) =
            Lane::start(runtime, id, "decoder", self.files.graph(FileRole::Decoder)?)?;
        let shape = shape(&ports).map_err(wrong)?;
        let wanted = match max_batch {
            0 if placement.is_gpu() => GPU_BATCH,
            0 => CPU_BATCH,
            wanted => wanted,
        };
        let longest =
            if max_tokens == 0 { decoder.max_tokens } else { max_tokens.min(decoder.max_tokens) };
        let captioner = Captioner(Arc::new(Loaded {
            model: id.clone(),
            placement,
            preprocess: Preprocess::new(image),
            sides: [3, image.height as usize, image.width as usize],
            input,
            // The manifest's check asks for a name.
            cross_kv: image.outputs.first().cloned().unwrap_or_default(),
            decoder: Decoder { max_tokens: longest, ..decoder.clone() },
            shape,
            tokenizer,
            batch: BatchSize::new(wanted),
            encoder,
            lane,
        }));
        let black = Pixels { data: vec![0.0; captioner.0.preprocess.len()] };
        for Language { language, .. } in &decoder.languages {
            captioner.run(std::slice::from_ref(&black), language, Some(1))?;
        }
        Ok(captioner)
    }
}

/// A captioner, loaded. Cheap to clone; all clones share two threads and one copy of the weights.
#[derive(Clone)]
pub struct Captioner(Arc<Loaded>);

struct Loaded {
    model: String,
    placement: Placement,
    preprocess: Preprocess,
    sides: [usize; 3],
    input: Port,
    cross_kv: String,
    decoder: Decoder,
    shape: Shape,
    tokenizer: Tokenizer,
    batch: BatchSize,
    encoder: Lane,
    lane: Lane,
}

impl Captioner {
    /// Resizes and normalises a picture as this model needs it. CPU only.
    pub fn prepare(&self, picture: &Picture) -> Pixels {
        self.0.preprocess.prepare(picture)
    }

    /// Captions of pictures in one of [`languages`](Self::languages), in their order. More than the
    /// largest batch are written in several. Blocks until all are done.
    ///
    /// # Errors
    /// [`ModelError::Input`] for pixels of another model or a language it does not write,
    /// [`ModelError::Run`]; [`ModelError::Stopped`] is fatal.
    pub fn caption(
        &self,
        pictures: &[impl Borrow<Pixels>],
        language: &str,
    ) -> Result<Vec<Caption>, ModelError> {
        let mut captions = Vec::with_capacity(pictures.len());
        let mut rest = pictures;
        while !rest.is_empty() {
            let (done, written) =
                self.0.batch.run_some(rest, false, |batch| self.run(batch, language, None))?;
            rest = rest.get(done..).unwrap_or_default();
            for Written { ids, ended } in written {
                let text = self.0.tokenizer.decode(&ids, true);
                let text = text.map_err(|error| {
                    self.failed(format!("its tokenizer cannot read {ids:?}: {error}"))
                })?;
                captions.push(Caption { text: text.trim().to_owned(), ids, ended });
            }
        }
        Ok(captions)
    }

    /// Model id.
    pub fn model(&self) -> &str {
        &self.0.model
    }

    /// The languages it writes.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.0.decoder.languages.iter().map(|entry| entry.language.as_str())
    }

    /// Side of the input in pixels, the longer one: the [`Detail`](crate::Detail) a picture is
    /// needed with.
    pub fn side(&self) -> u32 {
        let [_, height, width] = self.0.sides;
        // Both come from the manifest, as u32.
        u32::try_from(height.max(width)).unwrap_or(u32::MAX)
    }

    /// What really runs the decoder.
    pub fn placement(&self) -> &Placement {
        &self.0.placement
    }

    /// Most pictures in one run at present.
    pub fn batch(&self) -> usize {
        self.0.batch.get()
    }

    fn failed(&self, reason: String) -> ModelError {
        ModelError::Run { model: self.0.model.clone(), tower: "decoder", reason }
    }

    fn refused(&self, index: usize, reason: String) -> ModelError {
        ModelError::Input { model: self.0.model.clone(), index, reason }
    }

    fn run(
        &self,
        pictures: &[impl Borrow<Pixels>],
        language: &str,
        at_most: Option<usize>,
    ) -> Result<Vec<Written>, ModelError> {
        let Loaded { decoder, shape, lane, .. } = &*self.0;
        let prompt = decoder
            .languages
            .iter()
            .find(|entry| entry.language == language)
            .map(|entry| entry.prompt.clone());
        let Some(prompt) = prompt else {
            let known = self.languages().collect::<Vec<_>>().join(", ");
            return Err(
                self.refused(0, format!("the language `{language}` is not one it writes: {known}"))
            );
        };
        let max_tokens = at_most.unwrap_or(decoder.max_tokens);
        let rules =
            Rules { prompt, max_tokens, end: decoder.end, suppress: decoder.suppress.clone() };
        let (seen, shape, rows) = (self.see(pictures)?, shape.clone(), pictures.len());
        lane.work(move |session| greedy::write(session, &shape, &rules, &seen, rows))
    }

    /// What the decoder needs of the pictures.
    fn see(&self, pictures: &[impl Borrow<Pixels>]) -> Result<DynValue, ModelError> {
        let Loaded {
            sides: [channels, height, width], input, cross_kv, encoder, preprocess, ..
        } = &*self.0;
        let mut values = Vec::with_capacity(pictures.len() * preprocess.len());
        for (index, pixels) in pictures.iter().enumerate() {
            let data = &pixels.borrow().data;
            if data.len() != preprocess.len() {
                return Err(self.refused(
                    index,
                    format!("it has {} pixel values, {} are needed", data.len(), preprocess.len()),
                ));
            }
            values.extend_from_slice(data);
        }
        let shape = vec![pictures.len(), *channels, *height, *width];
        let input = Input {
            name: input.name.clone(),
            shape,
            values: Values::floats(values, input.is_half()),
        };
        let output = cross_kv.clone();
        encoder.work(move |session| raw(session, vec![input], &output))
    }
}

/// Sizes of the decoder's cache, as its graph declares them.
fn shape(ports: &Ports) -> Result<Shape, String> {
    ports.only_inputs(&["input_ids", "position_ids", "past_kv", "cross_kv"])?;
    for (name, rank) in [("input_ids", 2), ("position_ids", 2), ("cross_kv", 5)] {
        ports.input(name, rank)?;
    }
    let past = ports.input("past_kv", 5)?;
    let size = |place: usize| past.shape.get(place).and_then(|size| usize::try_from(*size).ok());
    match (size(0), size(2), size(4), past.element) {
        (
            Some(stacked),
            Some(heads),
            Some(head_size),
            Some(TensorElementType::Float32 | TensorElementType::Float16),
        ) => Ok(Shape { stacked, heads, head_size, half: past.is_half() }),
        _ => Err(format!(
            "the input `past_kv` is {:?} of the shape {:?} and floats of 2 x layers, batch, heads, places, head size are needed, with \
             only batch and places open",
            past.element, past.shape
        )),
    }
}
