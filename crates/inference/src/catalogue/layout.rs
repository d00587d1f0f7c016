//! How repositories lay out the files of a model, and where their configuration stands.

use serde::Deserialize;

/// The folders for which an entry is the pattern, and where their configuration holds the values
/// that differ between models.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportHints {
    /// The layout of the folder.
    pub layout: Layout,
    /// The `model_type` in its `config.json`. Empty for a layout that has none.
    #[serde(default)]
    pub model_type: String,
    /// JSON pointer (RFC 6901) to the length of vectors in `config.json`.
    pub dim: String,
    /// JSON pointer to the greatest number of tokens in `config.json`. Empty where there is none.
    #[serde(default)]
    pub max_len: String,
}

/// The layout of a folder with a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// `onnx/*.onnx` with `config.json`, `preprocessor_config.json`, `tokenizer.json` and
    /// `tokenizer_config.json` beside it.
    TransformersJs,
    /// `visual/`, `textual/` and open_clip's `config.json`.
    Immich,
}

/// A configuration file of a repository: not part of a model, but what its entry is checked
/// against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigFile {
    /// Path in the repository.
    pub path: &'static str,
    /// Largest accepted size in bytes.
    pub max_bytes: u64,
    /// Whether the preprocessing of pictures may stand in it.
    pub of_pictures: bool,
}

impl ConfigFile {
    const fn of_pictures(path: &'static str) -> ConfigFile {
        ConfigFile { path, max_bytes: 64 << 10, of_pictures: true }
    }

    const fn of_model(path: &'static str) -> ConfigFile {
        ConfigFile { path, max_bytes: 64 << 10, of_pictures: false }
    }

    /// Some tokenizers list thousands of tokens.
    const fn of_tokenizer(path: &'static str) -> ConfigFile {
        ConfigFile { path, max_bytes: 4 << 20, of_pictures: false }
    }
}

impl ImportHints {
    /// Says of no value where it stands.
    pub(crate) fn none(layout: Layout) -> ImportHints {
        let nowhere = String::new;
        ImportHints { layout, model_type: nowhere(), dim: nowhere(), max_len: nowhere() }
    }
}

impl Layout {
    /// The files that may hold the configuration.
    pub(super) fn config_files(self) -> &'static [ConfigFile] {
        const OF_TRANSFORMERS: &[ConfigFile] = &[
            ConfigFile::of_pictures("preprocessor_config.json"),
            ConfigFile::of_pictures("processor_config.json"),
            ConfigFile::of_pictures("open_clip_config.json"),
            ConfigFile::of_model("config.json"),
            ConfigFile::of_tokenizer("tokenizer_config.json"),
        ];
        const OF_IMMICH: &[ConfigFile] = &[
            ConfigFile::of_pictures("visual/preprocess_cfg.json"),
            ConfigFile::of_model("config.json"),
            ConfigFile::of_tokenizer("textual/tokenizer_config.json"),
        ];
        match self {
            Layout::TransformersJs => OF_TRANSFORMERS,
            Layout::Immich => OF_IMMICH,
        }
    }
}
