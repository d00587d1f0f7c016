//! Captioning: a picture becomes a sentence.
//!
//! A captioner has two graphs. The encoder computes keys and values of the picture once. The
//! decoder adds one token per run and keeps earlier tokens in a cache. Decoding is greedy: it takes
//! the likeliest token at every step, so a picture always gets the same caption.

mod greedy;
mod load;
mod manifest;

use std::borrow::Borrow;
use std::sync::Arc;

use ort::value::DynValue;
use tokenizers::Tokenizer;

pub use load::CaptionerModel;
pub use manifest::{CaptionerManifest, Decoder, Language};

use crate::onnx::{BatchSize, ModelThread, run_graph};
use crate::pixel_input::PixelInput;
use crate::{ModelError, Picture, Pixels, Placement};
use greedy::{CacheShape, CaptionRules, CaptionTokens};

/// A caption in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caption {
    /// The sentence, trimmed. Empty where the model wrote nothing.
    pub text: String,
    /// Its token ids, without prompt and end token.
    pub ids: Vec<u32>,
    /// Whether the model ended the caption. Else it was cut at the greatest length.
    pub ended: bool,
}

/// A loaded captioner. Cheap to clone: all clones share two threads and one copy of the weights.
#[derive(Clone)]
pub struct Captioner(Arc<EncoderDecoder>);

struct EncoderDecoder {
    model: String,
    /// Where the decoder runs.
    placement: Placement,
    input: PixelInput,
    /// Name of the encoder's output with the keys and values of a picture.
    cross_kv: String,
    /// The manifest's `[decoder]`, with the requested `max_tokens`.
    rules: Decoder,
    cache: CacheShape,
    tokenizer: Tokenizer,
    batch: BatchSize,
    encoder: ModelThread,
    decoder: ModelThread,
}

impl Captioner {
    /// Resizes and normalises a picture for this model. Computes on the caller's thread.
    pub fn prepare(&self, picture: &Picture) -> Pixels {
        self.0.input.prepare(picture)
    }

    /// Captions pictures in one of [`languages`](Self::languages): one caption per picture, in
    /// their order. Takes several runs for more pictures than the largest batch. Blocks until all
    /// are done.
    ///
    /// # Errors
    /// [`ModelError::Input`] for pixels of another model or a language the model does not write,
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
            for CaptionTokens { ids, ended } in written {
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

    /// The languages that the model writes.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.0.rules.languages.iter().map(|entry| entry.language.as_str())
    }

    /// The longer side of the model's input in pixels: the [`Detail`](crate::Detail) to decode a
    /// picture with.
    pub fn side(&self) -> u32 {
        self.0.input.side()
    }

    /// The execution provider that runs the decoder.
    pub fn placement(&self) -> &Placement {
        &self.0.placement
    }

    /// Largest number of pictures in one run at present.
    pub fn batch(&self) -> usize {
        self.0.batch.get()
    }

    fn failed(&self, reason: String) -> ModelError {
        ModelError::Run { model: self.0.model.clone(), tower: "decoder", reason }
    }

    fn refused(&self, (index, reason): (usize, String)) -> ModelError {
        ModelError::Input { model: self.0.model.clone(), index, reason }
    }

    /// Captions one batch, with at most `max_tokens` tokens (`None`: as the rules say).
    fn run(
        &self,
        pictures: &[impl Borrow<Pixels>],
        language: &str,
        max_tokens: Option<usize>,
    ) -> Result<Vec<CaptionTokens>, ModelError> {
        let EncoderDecoder { rules, cache, decoder, .. } = &*self.0;
        let found = rules.languages.iter().find(|entry| entry.language == language);
        let Some(Language { prompt, .. }) = found else {
            let known = self.languages().collect::<Vec<_>>().join(", ");
            let reason = format!("the language `{language}` is not one it writes: {known}");
            return Err(self.refused((0, reason)));
        };
        let rules = CaptionRules {
            prompt: prompt.clone(),
            max_tokens: max_tokens.unwrap_or(rules.max_tokens),
            end: rules.end,
            suppress: rules.suppress.clone(),
        };
        let (cross_kv, cache, rows) = (self.encode(pictures)?, cache.clone(), pictures.len());
        decoder.with_session(move |session| greedy::write(session, &cache, &rules, &cross_kv, rows))
    }

    /// The keys and values that the decoder needs of the pictures.
    fn encode(&self, pictures: &[impl Borrow<Pixels>]) -> Result<DynValue, ModelError> {
        let EncoderDecoder { input, cross_kv, encoder, .. } = &*self.0;
        let pixels =
            input.fill(pictures, pictures.len()).map_err(|refused| self.refused(refused))?;
        let output = cross_kv.clone();
        encoder.with_session(move |session| run_graph(session, vec![pixels], &output))
    }
}
