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
    pub(super) picture: PictureConfig,
    /// `tokenizer_config.json`.
    pub(super) tokenizer: Value,
    /// `tokenizer.json`.
    pub(super) vocabulary: Value,
}

/// The preprocessing of pictures.
pub(super) struct PictureConfig {
    /// The file that it stands in.
    pub(super) file: &'static str,
    pub(super) dialect: PictureDialect,
    pub(super) settings: Value,
}

/// Whose names the settings have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PictureDialect {
    Transformers,
    OpenClip,
}

impl FolderConfigs {
    pub(super) fn load(folder: &Path, layout: Layout) -> Result<FolderConfigs, String> {
        let read = |name: &str| read_json(&folder.join(name));
        let (picture, below) = match layout {
            Layout::TransformersJs => (transformers_picture(&read)?, ""),
            Layout::Immich => {
                let file = "visual/preprocess_cfg.json";
                let settings = read(file)?;
                let dialect = PictureDialect::OpenClip;
                (PictureConfig { file, dialect, settings }, "textual/")
            }
        };
        Ok(FolderConfigs {
            layout,
            model: read("config.json")?,
            picture,
            tokenizer: read(&format!("{below}tokenizer_config.json"))?,
            vocabulary: read(&format!("{below}tokenizer.json"))?,
        })
    }

    /// The path of `tokenizer_config.json` in the folder.
    pub(super) fn tokenizer_file(&self) -> &'static str {
        match self.layout {
            Layout::TransformersJs => "tokenizer_config.json",
            Layout::Immich => "textual/tokenizer_config.json",
        }
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

/// The preprocessing in the first file that has one: `preprocessor_config.json`, the
/// `image_processor` of `processor_config.json` (transformers 5), or the `preprocess_cfg` of
/// `open_clip_config.json`.
fn transformers_picture(
    read: &impl Fn(&str) -> Result<Value, String>,
) -> Result<PictureConfig, String> {
    let named = |file, dialect, settings| PictureConfig { file, dialect, settings };
    let (file, dialect) = ("preprocessor_config.json", PictureDialect::Transformers);
    let settings = read(file)?;
    if !settings.is_null() {
        return Ok(named(file, dialect, settings));
    }
    let processor = read("processor_config.json")?.get("image_processor").cloned();
    if let Some(settings) = processor {
        return Ok(named("processor_config.json", dialect, settings));
    }
    let open_clip = read("open_clip_config.json")?;
    if let Some(Value::Object(settings)) = open_clip.get("preprocess_cfg") {
        let mut settings = settings.clone();
        // This file keeps the size with the model.
        if let Some(size) = open_clip.pointer("/model_cfg/vision_cfg/image_size") {
            settings.entry("size").or_insert_with(|| size.clone());
        }
        let dialect = PictureDialect::OpenClip;
        return Ok(named("open_clip_config.json", dialect, Value::Object(settings)));
    }
    Ok(named(file, dialect, Value::Null))
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
