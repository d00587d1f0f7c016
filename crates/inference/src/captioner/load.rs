//! Finding a captioner, and loading its two graphs.

use std::path::Path;
use std::sync::Arc;

use ort::value::TensorElementType;

use super::greedy::CacheShape;
use super::{Captioner, CaptionerManifest, Decoder, EncoderDecoder, Language};
use crate::manifest::FileRole;
use crate::model::{DEMO_CAPTIONER, ModelFiles, find_verified};
use crate::onnx::{BatchSize, DefaultBatch, GraphSignature, ModelThread};
use crate::pixel_input::PixelInput;
use crate::tokens::parse_tokenizer;
use crate::{ModelError, Runtime};

/// Smaller than for vectors, because the decoder keeps some ten megabytes per picture.
const DEFAULT_BATCH: DefaultBatch = DefaultBatch { cpu: 4, gpu: 32 };

/// A captioner whose files were verified. Nothing of it is loaded yet.
#[derive(Debug, Clone)]
pub struct CaptionerModel {
    /// The content of `model.toml`.
    pub manifest: CaptionerManifest,
    /// SHA-256 of `model.toml` as hex.
    pub digest: String,
    files: ModelFiles,
}

impl CaptionerModel {
    /// Finds a captioner and verifies the size and SHA-256 of all its files.
    ///
    /// `demo-captioner` is compiled in. A name that holds a path separator is the path of a folder
    /// with a `model.toml`. Any other name is a folder in `folder`, where models are kept.
    ///
    /// # Errors
    /// [`ModelError::UnknownModel`], [`ModelError::Manifest`] or [`ModelError::File`], all fatal.
    pub fn find(name: &str, folder: &Path) -> Result<CaptionerModel, ModelError> {
        let (manifest, digest, files) =
            find_verified(name, folder, DEMO_CAPTIONER, CaptionerManifest::parse, |manifest| {
                (&manifest.id, &manifest.files)
            })?;
        Ok(CaptionerModel { manifest, digest, files })
    }

    /// Loads both graphs and the tokenizer, and captions an empty picture once.
    ///
    /// `max_batch` is the largest number of pictures in one run (0: 4 on a CPU, 32 on a GPU).
    /// `max_tokens` is the greatest length of a caption (0: as the manifest says).
    ///
    /// # Errors
    /// - [`ModelError::Manifest`]: manifest and graphs disagree.
    /// - [`ModelError::File`]: the tokenizer cannot be read.
    /// - [`ModelError::Load`], [`ModelError::Run`]: ONNX Runtime fails.
    pub fn load(
        &self,
        runtime: &Runtime,
        max_batch: usize,
        max_tokens: usize,
    ) -> Result<Captioner, ModelError> {
        let CaptionerManifest { id, image, decoder: rules, .. } = &self.manifest;
        let wrong = |reason| ModelError::Manifest { model: id.clone(), reason };
        let path = self.files.path_of(FileRole::Tokenizer)?;
        let tokenizer = parse_tokenizer(&self.files.read_file(path)?)
            .map_err(|reason| self.files.error(path, reason))?;

        let graph = self.files.graph(FileRole::Image)?;
        let (encoder, signature, _) = ModelThread::start(runtime, id, "image", graph)?;
        let input = PixelInput::new(signature.input(&image.input, 4).map_err(wrong)?, image);
        let graph = self.files.graph(FileRole::Decoder)?;
        let (decoder, signature, placement) = ModelThread::start(runtime, id, "decoder", graph)?;
        let cache = cache_shape(&signature).map_err(wrong)?;

        let longest =
            if max_tokens == 0 { rules.max_tokens } else { max_tokens.min(rules.max_tokens) };
        let batch = BatchSize::new(DEFAULT_BATCH.resolve(max_batch, &placement));
        let captioner = Captioner(Arc::new(EncoderDecoder {
            model: id.clone(),
            placement,
            input,
            // The manifest's check requires a name.
            cross_kv: image.outputs.first().cloned().unwrap_or_default(),
            rules: Decoder { max_tokens: longest, ..rules.clone() },
            cache,
            tokenizer,
            batch,
            encoder,
            decoder,
        }));
        let empty = [captioner.0.input.zeros()];
        for Language { language, .. } in &rules.languages {
            captioner.run(&empty, language, Some(1))?;
        }
        Ok(captioner)
    }
}

/// Reads from the decoder's graph how large its cache is.
fn cache_shape(signature: &GraphSignature) -> Result<CacheShape, String> {
    signature.only_inputs(&["input_ids", "position_ids", "past_kv", "cross_kv"])?;
    for (name, rank) in [("input_ids", 2), ("position_ids", 2), ("cross_kv", 5)] {
        signature.input(name, rank)?;
    }
    let past = signature.input("past_kv", 5)?;
    let size = |axis: usize| past.shape.get(axis).and_then(|size| usize::try_from(*size).ok());
    match (size(0), size(2), size(4), past.element) {
        (
            Some(stacked),
            Some(heads),
            Some(head_size),
            Some(TensorElementType::Float32 | TensorElementType::Float16),
        ) => Ok(CacheShape { stacked, heads, head_size, half: past.is_half() }),
        _ => Err(format!(
            "the input `past_kv` is {:?} of the shape {:?} and floats of \
             2 x layers, batch, heads, places, head size are needed, \
             with only batch and places open",
            past.element, past.shape
        )),
    }
}
