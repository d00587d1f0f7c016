//! The configuration files of a folder with a model.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use crate::catalogue::Layout;

/// Largest accepted file. Tokenizers of multilingual models have about 35 MB.
const MAX_BYTES: u64 = 128 << 20;

/// The configuration of a model. `Null` for a missing file.
pub(super) struct FolderConfigs {
    pub(super) layout: Layout,
    /// `config.json`.
    pub(super) model: Value,
    /// `preprocessor_config.json`, or Immich's `visual/preprocess_cfg.json`.
    pub(super) picture: Value,
    /// `tokenizer_config.json`.
    pub(super) tokenizer: Value,
    /// `tokenizer.json`.
    pub(super) vocabulary: Value,
}

impl FolderConfigs {
    pub(super) fn load(folder: &Path, layout: Layout) -> Result<FolderConfigs, String> {
        let [picture, tokenizer, vocabulary] = match layout {
            Layout::TransformersJs => {
                ["preprocessor_config.json", "tokenizer_config.json", "tokenizer.json"]
            }
            Layout::Immich => [
                "visual/preprocess_cfg.json",
                "textual/tokenizer_config.json",
                "textual/tokenizer.json",
            ],
        };
        let model = read_json(&folder.join("config.json"))?;
        if model.is_null() {
            return Err(String::from("it has no config.json, which tells the family of the model"));
        }
        let read = |name: &str| read_json(&folder.join(name));
        Ok(FolderConfigs {
            layout,
            model,
            picture: read(picture)?,
            tokenizer: read(tokenizer)?,
            vocabulary: read(vocabulary)?,
        })
    }

    /// The id of a token.
    pub(super) fn token_id(&self, token: &str) -> Option<u32> {
        let added = self.vocabulary.get("added_tokens").and_then(Value::as_array);
        let added = added.and_then(|tokens| {
            tokens.iter().find(|added| added.get("content").and_then(Value::as_str) == Some(token))
        });
        let vocabulary = || match self.vocabulary.pointer("/model/vocab")? {
            Value::Object(ids) => ids.get(token)?.as_u64(),
            // A unigram model has a list of pairs of token and score.
            Value::Array(tokens) => {
                let position = tokens
                    .iter()
                    .position(|pair| pair.get(0).and_then(Value::as_str) == Some(token));
                u64::try_from(position?).ok()
            }
            _ => None,
        };
        u32::try_from(added.and_then(|added| added.get("id")?.as_u64()).or_else(vocabulary)?).ok()
    }
}

/// The content of a JSON file. `Null` for a missing file.
fn read_json(path: &Path) -> Result<Value, String> {
    let Ok(file) = File::open(path) else { return Ok(Value::Null) };
    let mut text = Vec::new();
    let wrong = |reason: String| format!("{} {reason}", path.display());
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(wrong(format!("has more than {MAX_BYTES} bytes")));
    }
    serde_json::from_slice(&text).map_err(|error| wrong(format!("is not JSON: {error}")))
}
