//! The errors of models, told apart by what the caller can do about them.

use std::path::PathBuf;

/// Why a model could not be loaded or could not answer.
///
/// [`is_fatal`](ModelError::is_fatal) tells whether the input or the process is at fault. In the
/// first case another input may work. In the second no input works until somebody changes a setting
/// or a file.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The ONNX Runtime library was not found, could not be loaded, is too old, or refused to
    /// start.
    #[error(
        "ONNX Runtime did not start from {library}: {reason}; set the runtime setting `library` \
         (or the environment variable ORT_DYLIB_PATH) to a libonnxruntime of version 1.24 or newer"
    )]
    Runtime {
        /// The library that was tried.
        library: String,
        /// The error of the loader or the library.
        reason: String,
    },

    /// A setting has a value that cannot be used.
    #[error("the runtime setting `{setting}` cannot be `{value}`: {reason}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// The problem, and the accepted values.
        reason: String,
    },

    /// No model has this name.
    #[error(
        "the model `{name}` is unknown: it is not built in ({built_in} is), \
         and the folder {} {found}; set the name to one of these \
         or to a path (which holds a separator) of a folder with a model.toml, \
         or fetch one with `embedder models pull`, which knows {known}",
        folder.display()
    )]
    UnknownModel {
        /// The requested name.
        name: String,
        /// The built-in model, which needs no folder.
        built_in: &'static str,
        /// The folder in which models are kept.
        folder: PathBuf,
        /// The models in that folder, as the end of a sentence.
        found: String,
        /// The ids of the catalogue.
        known: String,
    },

    /// A file of the model is missing, cannot be read, or is not the file its manifest describes.
    #[error("the file {} of the model `{model}` {reason}", path.display())]
    File {
        /// Model id, or the requested name while the id is not known yet.
        model: String,
        /// The file.
        path: PathBuf,
        /// The problem, and what to do.
        reason: String,
    },

    /// The manifest is invalid, or does not fit the model's files.
    #[error("the manifest (model.toml) of the model `{model}` is wrong: {reason}")]
    Manifest {
        /// Model id, or the requested name while the id is not known yet.
        model: String,
        /// The problem, and what to do.
        reason: String,
    },

    /// The model does not compute what its reference computes.
    #[error(
        "the model `{model}` does not compute what its manifest's [golden] says ({check}): \
         a file or a setting of the manifest is wrong; \
         `embedder models verify` shows all comparisons"
    )]
    Golden {
        /// Model id.
        model: String,
        /// The comparison that failed.
        check: String,
    },

    /// The model has 8-bit weights, and no comparison has shown that its vectors are close enough
    /// to those of the same model in fp32.
    #[error(
        "the model `{model}` in int8 may not be served: {reason}; \
         compare it with the same model in fp32 (`embedder models gate`), or use that one"
    )]
    Gate {
        /// Model id.
        model: String,
        /// The problem.
        reason: String,
    },

    /// The model has no tower for this kind of input.
    #[error(
        "the model `{model}` has no {tower} tower: \
         choose a model whose manifest has a section [{tower}]"
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
        /// The error of ONNX Runtime.
        reason: String,
    },

    /// The model cannot take this input.
    #[error("the model `{model}` cannot take input number {index} of this request: {reason}")]
    Input {
        /// Model id.
        model: String,
        /// Position of the input in the request, from 0.
        index: usize,
        /// The problem.
        reason: String,
    },

    /// The model gave values without a direction: NaN, infinite, or all zero.
    #[error(
        "the model `{model}` gave no usable vector for input number {index} of this request \
         (NaN, infinite or all zero)"
    )]
    NotFinite {
        /// Model id.
        model: String,
        /// Position of the input in the request, from 0.
        index: usize,
    },

    /// This run failed in ONNX Runtime. The model thread goes on with the next request.
    #[error("the {tower} tower of the model `{model}` failed on this request: {reason}")]
    Run {
        /// Model id.
        model: String,
        /// `image` or `text`.
        tower: &'static str,
        /// The error of ONNX Runtime.
        reason: String,
    },

    /// The model thread has ended.
    #[error(
        "the {tower} tower of the model `{model}` has stopped and answers no more requests: \
         restart the process"
    )]
    Stopped {
        /// Model id.
        model: String,
        /// `image` or `text`.
        tower: &'static str,
    },
}

impl ModelError {
    /// Whether trying again may help without a changed setting: the files may still be fetched,
    /// mounted or replaced.
    pub fn may_pass(&self) -> bool {
        matches!(self, ModelError::File { .. })
    }

    /// Whether no other input can work in this process either. The caller should then stop instead
    /// of going on to the next input.
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
