//! `model.toml` of a captioner.

use serde::Deserialize;

use crate::manifest::{FileRole, ImageTower, ModelFile, check_files, check_id, from_toml, require};

/// Longest caption in tokens: more is no caption, and the memory of a run grows with it.
const MAX_TOKENS: usize = 256;

/// A captioner as its `model.toml` describes it. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionerManifest {
    /// Name of the captioner: lower-case letters, digits and `-`, since it becomes part of table
    /// names.
    pub id: String,
    /// Licence of the weights (SPDX where there is one).
    pub licence: String,
    /// What the licence asks us to show to the user. Empty where it asks nothing.
    #[serde(default)]
    pub notice: String,
    /// True for a captioner that only knows the generated demo pictures: a user interface must say
    /// so.
    #[serde(default)]
    pub demo: bool,
    /// Where the files come from, for people.
    #[serde(default)]
    pub origin: String,
    /// Every file it needs: one `image` graph, one `decoder` graph, one `tokenizer`.
    pub files: Vec<ModelFile>,
    /// How pictures become keys and values for the decoder: `pixel_values` (batch x 3 x height x
    /// width) in, `cross_kv` (2 x layers, batch, heads, tokens, head size) out.
    pub image: ImageTower,
    /// How captions are written.
    pub decoder: Decoder,
}

/// `[decoder]`: a graph from token ids (`input_ids`, i64, batch x n), their places (`position_ids`,
/// i64, 1 x n), what earlier tokens left (`past_kv`, 2 x layers, batch, heads, places, head size)
/// and the picture (`cross_kv`) to `logits` (batch, n or 1, vocabulary) and `present_kv`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decoder {
    /// Most tokens of a caption; neither prompt nor end count.
    pub max_tokens: usize,
    /// The id that ends a caption.
    pub end: u32,
    /// Ids that are never chosen.
    #[serde(default)]
    pub suppress: Vec<u32>,
    /// The languages it writes; the first is the one it writes best.
    pub languages: Vec<Language>,
}

/// A language, and how a caption in it begins.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// `en`, `zh`.
    pub language: String,
    /// The ids a caption begins with.
    pub prompt: Vec<u32>,
}

impl CaptionerManifest {
    /// Reads and checks the text of a `model.toml`.
    ///
    /// # Errors
    /// The reason as one sentence, with the line where there is one.
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
