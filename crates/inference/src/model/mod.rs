//! A model: its manifest and its verified files, from which encoders are loaded.

mod files;
mod sha256;
mod source;
mod stamps;

use std::path::Path;

use source::ModelSource;

use crate::manifest::{FileRole, Manifest};
use crate::tokens::Tokens;
use crate::{ImageEncoder, ModelError, Runtime, TextEncoder, golden};

pub(crate) use files::{ModelFiles, find_verified};
pub(crate) use sha256::sha256_of;
pub(crate) use source::{DEMO_CAPTIONER, DEMO_ENCODER, unreadable};

/// A model whose files were verified. Nothing of it is loaded yet.
#[derive(Debug, Clone)]
pub struct Model {
    /// The content of `model.toml`.
    pub manifest: Manifest,
    /// SHA-256 of `model.toml` as hex. It identifies the model files, the preprocessing and the
    /// tokenisation together.
    pub digest: String,
    pub(crate) files: ModelFiles,
}

/// The sorted names of the models in a folder that holds models. Empty where it cannot be read.
pub fn installed(folder: &Path) -> Vec<String> {
    ModelSource::names(folder)
}

impl Model {
    /// Finds a model and verifies the size and SHA-256 of all its files. Hashing takes about one
    /// second per gigabyte; the folder keeps stamps of what was hashed (`.verified.json`), and a
    /// file that has not changed since is not hashed again.
    ///
    /// `demo-clip` is compiled in. A name that holds a path separator is the path of a folder with
    /// a `model.toml`. Any other name is a folder in `folder`, where models are kept.
    ///
    /// # Errors
    /// [`ModelError::UnknownModel`], [`ModelError::Manifest`] or [`ModelError::File`], all fatal.
    pub fn find(name: &str, folder: &Path) -> Result<Model, ModelError> {
        let (manifest, digest, files) =
            find_verified(name, folder, DEMO_ENCODER, Manifest::parse, |manifest| {
                (&manifest.id, &manifest.files)
            })?;
        Ok(Model { manifest, digest, files })
    }

    /// Verifies all files once more, without the stamps of earlier verifications.
    ///
    /// # Errors
    /// [`ModelError::File`] for a file that is not what the manifest says.
    pub fn verify_files(&self) -> Result<(), ModelError> {
        self.files.verify(None)
    }

    /// The folder of the model. `None` for a built-in model.
    pub fn folder(&self) -> Option<&Path> {
        self.files.folder()
    }

    /// Loads the image tower and runs it once, so that the first picture is as fast as the next.
    ///
    /// `max_batch` is the largest number of pictures in one run (0: 8 on a CPU, 64 on a GPU). A
    /// graph exported for batches of one size keeps that size.
    ///
    /// # Errors
    /// - [`ModelError::NoTower`]: the model reads no pictures.
    /// - [`ModelError::Manifest`]: manifest and graph disagree (names, types, sizes, dimension).
    /// - [`ModelError::Load`], [`ModelError::Run`]: ONNX Runtime fails.
    /// - [`ModelError::Golden`]: the picture of `[golden]` gets another vector than expected.
    pub fn image_encoder(
        &self,
        runtime: &Runtime,
        max_batch: usize,
    ) -> Result<ImageEncoder, ModelError> {
        let encoder = self.image_encoder_unchecked(runtime, max_batch)?;
        golden::refuse_other_images(self, &encoder)?;
        Ok(encoder)
    }

    pub(crate) fn image_encoder_unchecked(
        &self,
        runtime: &Runtime,
        max_batch: usize,
    ) -> Result<ImageEncoder, ModelError> {
        let tower = self.manifest.image.as_ref().ok_or_else(|| self.no_tower("image"))?;
        let graph = self.files.graph(FileRole::Image)?;
        ImageEncoder::load(runtime, &self.manifest, tower, graph, max_batch)
    }

    /// Loads the text tower with its tokenizer and runs it once.
    ///
    /// # Errors
    /// - [`ModelError::NoTower`]: the model reads no texts.
    /// - [`ModelError::File`]: the tokenizer cannot be read.
    /// - [`ModelError::Manifest`]: manifest and graph disagree.
    /// - [`ModelError::Load`], [`ModelError::Run`]: ONNX Runtime fails.
    /// - [`ModelError::Golden`]: the text of `[golden]` gets other token ids or another vector.
    pub fn text_encoder(&self, runtime: &Runtime) -> Result<TextEncoder, ModelError> {
        let encoder = self.text_encoder_unchecked(runtime)?;
        golden::refuse_other_texts(self, &encoder)?;
        Ok(encoder)
    }

    pub(crate) fn text_encoder_unchecked(
        &self,
        runtime: &Runtime,
    ) -> Result<TextEncoder, ModelError> {
        let tower = self.manifest.text.as_ref().ok_or_else(|| self.no_tower("text"))?;
        let path = self.files.path_of(FileRole::Tokenizer)?;
        let tokenizer = self.files.read_file(path)?;
        let tokens =
            Tokens::load(&tokenizer, tower).map_err(|reason| self.files.error(path, reason))?;
        TextEncoder::load(runtime, &self.manifest, tower, tokens, self.files.graph(FileRole::Text)?)
    }

    fn no_tower(&self, tower: &'static str) -> ModelError {
        ModelError::NoTower { model: self.manifest.id.clone(), tower }
    }
}
