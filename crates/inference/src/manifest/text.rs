//! `[text]`: the text tower, from words to vectors.

use serde::{Deserialize, Serialize};

use super::outputs::check_outputs;
use super::{ExtraInput, require};

/// Longest accepted token sequence. Real models stay below 1,000.
const MAX_TOKENS: usize = 8192;

/// The text tower: a tokenizer and a graph from token ids (i64 or i32, batch x tokens) to vectors
/// (f32 or f16, batch x dim).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TextTower {
    /// Name of the graph's input for token ids.
    pub input: String,
    /// Possible names of the output with the vectors. The first one that exists is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// Position of the output with the vectors, from 0. Instead of `outputs`, where the name is not
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_index: Option<usize>,
    /// Name of the graph's input for the attention mask (1 = token, 0 = padding). Empty where there
    /// is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mask_input: String,
    /// Name of the graph's input for token types, filled with 0. Empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub type_ids_input: String,
    /// Longer texts are cut to this many tokens. Special tokens count and are kept.
    pub max_len: usize,
    /// Shorter texts are padded to this many tokens. 0 pads only to the longest text of the batch.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub pad_to: usize,
    /// Token id of padding. If the model reads padding, a wrong id gives wrong vectors without any
    /// error.
    pub pad_id: u32,
    /// Whether the tokenizer adds its special tokens (begin, end).
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub add_special: bool,
    /// Whether the text becomes lower case before the tokenizer.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub lowercase: bool,
    /// Whether ASCII punctuation is removed before the tokenizer.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub strip_punctuation: bool,
    /// Whether white space becomes single spaces, and none at both ends, before the tokenizer.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub collapse_whitespace: bool,
    /// Whether a text gets the form of `open_clip`'s `clean = "canonicalize"` before the tokenizer:
    /// curly quotes, full-width letters, ligatures and HTML entities become plain characters, `_` a
    /// space, other ASCII punctuation is removed, then lower case and single spaces. Includes the
    /// three settings above.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub canonicalize: bool,
    /// Sentence around a text, which replaces `{}`: `a photo of {}`.
    #[serde(default = "as_it_is", skip_serializing_if = "is_as_it_is")]
    pub template: String,
    /// Inputs that the graph requires and that do not change the vector of a text: a graph that
    /// holds both towers needs pixels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_inputs: Vec<ExtraInput>,
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

fn as_it_is() -> String {
    String::from("{}")
}

fn is_as_it_is(template: &str) -> bool {
    template == "{}"
}

impl TextTower {
    pub(super) fn check(&self) -> Result<(), String> {
        check_outputs("text", &self.input, &self.outputs, self.output_index)?;
        require((1..=MAX_TOKENS).contains(&self.max_len), || {
            format!("[text] `max_len` must be 1 to {MAX_TOKENS}")
        })?;
        require(self.pad_to == 0 || (self.max_len..=MAX_TOKENS).contains(&self.pad_to), || {
            format!("[text] `pad_to` must be 0, or `max_len` to {MAX_TOKENS}")
        })?;
        require(self.pad_id <= i32::MAX as u32, || {
            String::from("[text] `pad_id` is too large for a token id")
        })?;
        require(self.template.matches("{}").count() == 1, || {
            String::from("[text] `template` needs `{}` exactly once")
        })?;
        ExtraInput::check_all("text", &self.extra_inputs)
    }
}
