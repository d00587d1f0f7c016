//! What can go wrong with a model, told apart by what the caller can do about it.

use std::path::PathBuf;

/// Why a model could not be loaded or could not answer.
///
/// [`is_fatal`](ModelError::is_fatal) separates "this input" (another input may work, so retry or
/// refuse this one) from "this process" (no input will work until somebody changes a setting or a
/// file).
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The ONNX Runtime library was not found, could not be loaded, is too old, or refused to
    /// start.
    #[error(
        "ONNX Runtime did not start from {library}: {reason}; set the runtime setting `library` (or the environment \
         variable ORT_DYLIB_PATH) to a libonnxruntime of version 1.24 or newer"
    )]
    Runtime {
        /// The library that was tried.
        library: String,
        /// What the loader or the library said.
        reason: String,
    },

    /// A setting has a value that cannot be used.
    #[error("the runtime setting `{setting}` cannot be `{value}`: {reason}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is wrong and what is accepted.
        reason: String,
    },

    /// No model has this name.
    #[error(
        "the model `{name}` is unknown: it is not built in ({built_in} is), and the folder {} {found}; set the name to one \
         of these or to a path (which holds a separator) of a folder with a model.toml, or fetch one with `embedder models \
         pull`, which knows {known}",
        folder.display()
    )]
    UnknownModel {
        /// The name asked for.
        name: String,
        /// The names that need no folder.
        built_in: &'static str,
        /// The folder in which models are kept.
        folder: PathBuf,
        /// The models in it, as the end of a sentence.
        found: String,
        /// The ids of the catalogue.
        known: String,
    },

    /// A file of the model is missing, cannot be read, or is not the file its manifest describes.
    #[error("the file {} of the model `{model}` {reason}", path.display())]
    File {
        /// Model id, or the folder while the id is not known yet.
        model: String,
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },

    /// The manifest is not valid, or does not fit the model's files.
    #[error("the manifest (model.toml) of the model `{model}` is wrong: {reason}")]
    Manifest {
        /// Model id, or the folder while the id is not known yet.
        model: String,
        /// What is wrong and what to do.
        reason: String,
    },

    /// The model computes something else than the reference it was taken from.
    #[error(
        "the model `{model}` does not compute what its manifest's [golden] says ({check}): a file or a setting of the \
         manifest is wrong; `embedder models verify` shows all comparisons"
    )]
    Golden {
        /// Model id.
        model: String,
        /// The comparison that failed.
        check: String,
    },

    /// The model has 8-bit weights and was not found near enough to its more exact twin.
    #[error(
        "the model `{model}` in int8 may not be served: {reason}; compare it with the same model in fp32 (`embedder models \
         gate`), or use that one"
    )]
    Gate {
        /// Model id.
        model: String,
        /// What is missing or wrong.
        reason: String,
    },

    /// The model has no tower for this kind of input.
    #[error(
        "the model `{model}` has no {tower} tower: choose a model whose manifest has a section [{tower}]"
    )]
    NoTower {
        /// Model id.
        model: String,
        /// `image` or `text`.
        tower: &'static str,
    },

    /// ONNX Runtime could not load the graph, or its thread could not start.
    #[error("the {tower} tower of the model `{model}` could not be loaded: {reason}")]
    Load {
        /// Model id.
        model: String,
        /// `image` or `text`.
        tower: &'static str,
        /// What ONNX Runtime said.
        reason: String,
    },

    /// This input cannot be given to the model.
    #[error("the model `{model}` cannot take input number {index} of this request: {reason}")]
    Input {
        /// Model id.
        model: String,
        /// Position of the input in the request, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },

    /// The model gave numbers that are no direction: NaN, infinite, or all zero.
    #[error(
        "the model `{model}` gave no usable vector for input number {index} of this request (NaN, infinite or all zero)"
    )]
    NotFinite {
        /// Model id.
        model: String,
        /// Position of the input in the request, from 0.
        index: usize,
    },

    /// ONNX Runtime refused or failed this run. The model's thread lives on.
    #[error("the {tower} tower of the model `{model}` failed on this request: {reason}")]
    Run {
        /// Model id.
        model: String,
        /// `image` or `text`.
        tower: &'static str,
        /// What ONNX Runtime said.
        reason: String,
    },

    /// The thread that owns the model is gone.
    #[error(
        "the {tower} tower of the model `{model}` has stopped and answers no more requests: restart the process"
    )]
    Stopped {
        /// Model id.
        model: String,
        /// `image` or `text`.
        tower: &'static str,
    },
}

impl ModelError {
    /// True where trying again may help without a changed setting: files that are still being
    /// fetched, mounted or replaced.
    pub fn may_pass(&self) -> bool {
        matches!(self, ModelError::File { .. })
    }

    /// True where no other input would fare better in this process: the caller should stop, not go
    /// on to the next input.
    pub fn is_fatal(&self) -> bool {
        match self {
            ModelError::Input { .. } | ModelError::NotFinite { .. } | ModelError::Run { .. } => {
                false
            }
            ModelError::Runtime { .. }
            | ModelError::Setting { .. }
            | ModelError::UnknownModel { .. }
            | ModelError::Golden { .. }
            | ModelError::Gate { .. }
            | ModelError::File { .. }
            | ModelError::Manifest { .. }
            | ModelError::NoTower { .. }
            | ModelError::Load { .. }
            | ModelError::Stopped { .. } => true,
        }
    }
}
