//! The `model.toml` of a captioner.

use serde::Deserialize;

use crate::manifest::{FileRole, ImageTower, ModelFile, check_files, check_id, from_toml, require};

/// Greatest accepted length of a caption in tokens. The memory of a run grows with it.
const MAX_TOKENS: usize = 256;

/// A captioner as its `model.toml` describes it. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionerManifest {
    /// Name of the captioner: lower-case letters, digits and `-`, because it becomes part of table
    /// names.
    pub id: String,
    /// Licence of the weights (SPDX where there is one).
    pub licence: String,
    /// The notice that the licence requires a user interface to show. Empty where it requires none.
    #[serde(default)]
    pub notice: String,
    /// True for a captioner that knows only the generated demo pictures. A user interface must say
    /// so.
    #[serde(default)]
    pub demo: bool,
    /// Where the files come from, for people to read.
    #[serde(default)]
    pub origin: String,
    /// All its files: one `image` graph, one `decoder` graph and one `tokenizer`.
    pub files: Vec<ModelFile>,
    /// The encoder, from pictures to keys and values for the decoder. Input: pixels (batch x 3 x
    /// height x width). Output: `cross_kv` (2 x layers, batch, heads, tokens, head size).
    pub image: ImageTower,
    /// The decoder, which writes the captions.
    pub decoder: Decoder,
}

/// `[decoder]`: the graph that adds tokens to a caption.
///
/// | input | type and shape | |
/// |---|---|---|
/// | `input_ids` | i64, batch x n | token ids |
/// | `position_ids` | i64, 1 x n | their places |
/// | `past_kv` | float, 2 x layers, batch, heads, places, head size | the cache of earlier tokens |
/// | `cross_kv` | the encoder's output | the picture |
///
/// Its outputs are `logits` (batch, n or 1, vocabulary) and `present_kv`, the cache for the next
/// step.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decoder {
    /// Greatest number of tokens in a caption, without prompt and end token.
    pub max_tokens: usize,
    /// The id of the token that ends a caption.
    pub end: u32,
    /// The ids that are never chosen.
    #[serde(default)]
    pub suppress: Vec<u32>,
    /// The languages that the model writes, the best one first.
    pub languages: Vec<Language>,
}

/// A language and the beginning of its captions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// Code of the language, as `en` or `zh`.
    pub language: String,
    /// The token ids that a caption begins with.
    pub prompt: Vec<u32>,
}

impl CaptionerManifest {
    /// Parses and checks the text of a `model.toml`.
    ///
    /// # Errors
    /// The reason in one sentence, with the line if it is known.
    pub fn parse(text: &str) -> Result<CaptionerManifest, String> {
        let manifest: CaptionerManifest = from_toml(text)?;
        check_id(&manifest.id)?;
        check_files(
            &manifest.files,
            &[
                (FileRole::Image, "image", 1),
                (FileRole::Decoder, "decoder", 1),
                (FileRole::Tokenizer, "tokenizer", 1),
            ],
        )?;
        manifest.image.check()?;
        manifest.decoder.check()?;
        Ok(manifest)
    }
}

impl Decoder {
    fn check(&self) -> Result<(), String> {
        require((1..=MAX_TOKENS).contains(&self.max_tokens), || {
            format!("[decoder] `max_tokens` must be 1 to {MAX_TOKENS}")
        })?;
        require(!self.languages.is_empty(), || {
            String::from("[decoder] needs at least one [[decoder.languages]]")
        })?;
        for (place, Language { language, prompt }) in self.languages.iter().enumerate() {
            let plain = !language.is_empty()
                && language.len() <= 16
                && language.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
            require(plain, || {
                format!("[decoder] the language `{language}` must be lower-case letters, as `en`")
            })?;
            require(!prompt.is_empty(), || {
                format!("[decoder] the `prompt` of `{language}` is empty")
            })?;
            let earlier = self.languages.get(..place).unwrap_or_default();
            require(earlier.iter().all(|other| other.language != *language), || {
                format!("[decoder] `{language}` is there twice")
            })?;
        }
        Ok(())
    }
}
