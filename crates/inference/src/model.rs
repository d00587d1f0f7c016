//! A model: its manifest and its verified files, from which encoders are made.

use std::path::Path;

use crate::files::{self, Files};
use crate::manifest::{FileRole, Manifest};
use crate::source::{DEMO_ENCODER, Source};
use crate::{ImageEncoder, ModelError, Runtime, TextEncoder, golden};

/// A model whose files were verified; nothing of it is loaded yet.
#[derive(Debug, Clone)]
pub struct Model {
    /// What `model.toml` says.
    pub manifest: Manifest,
    /// SHA-256 of `model.toml` as hex: names model files, preprocessing and tokenising at once.
    pub digest: String,
    pub(crate) files: Files,
}

/// Names of the models in a folder where models are kept, in order; none where it cannot be read.
pub fn installed(folder: &Path) -> Vec<String> {
    Source::names(folder)
}

impl Model {
    /// Finds a model and verifies size and SHA-256 of all its files (about one second per
    /// gigabyte).
    ///
    /// `demo-clip` is compiled in. A name that holds a path separator is a folder with a
    /// `model.toml`; any other name is the folder of that name in `folder`, where models are kept.
    ///
    /// # Errors
    /// [`ModelError::UnknownModel`], [`ModelError::Manifest`] or [`ModelError::File`], all fatal.
    pub fn find(name: &str, folder: &Path) -> Result<Model, ModelError> {
        let (manifest, digest, files) =
            files::find(name, folder, DEMO_ENCODER, Manifest::parse, |manifest| {
                (&manifest.id, &manifest.files)
            })?;
        Ok(Model { manifest, digest, files })
    }

    /// The folder the model is in; `None` where it is built in.
    pub fn folder(&self) -> Option<&Path> {
        self.files.folder()
    }

    /// Loads the image tower and runs it once, so that the first picture is as fast as the next.
    ///
    /// `max_batch` is the most pictures in one run (0: 8 on a CPU, 64 on a GPU); a graph exported
    /// for single pictures runs them singly.
    ///
    /// # Errors
    /// [`ModelError::NoTower`], [`ModelError::Manifest`] where manifest and graph disagree (names,
    /// types, sizes, dimension), [`ModelError::Load`] or [`ModelError::Run`] where ONNX Runtime
    /// fails, [`ModelError::Golden`] where the vector of the manifest's `[golden]` picture is not
    /// the expected one.
    pub fn image_encoder(
        &self,
        runtime: &Runtime,
        max_batch: usize,
    ) -> Result<ImageEncoder, ModelError> {
        let encoder = self.image_encoder_unchecked(runtime, max_batch)?;
        golden::check_images(self, &encoder)?;
        Ok(encoder)
    }

    pub(crate) fn image_encoder_unchecked(
        &self,
        runtime: &Runtime,
        max_batch: usize,
    ) -> Result<ImageEncoder, ModelError> {
        let tower = self.manifest.image.as_ref().ok_or_else(|| self.no_tower("image"))?;
        ImageEncoder::load(
            runtime,
            &self.manifest,
            tower,
            self.files.graph(FileRole::Image)?,
            max_batch,
        )
    }

    /// Loads the text tower with its tokenizer and runs it once.
    ///
    /// # Errors
    /// [`ModelError::NoTower`], [`ModelError::File`] for a tokenizer that cannot be read,
    /// [`ModelError::Manifest`] where manifest and graph disagree, [`ModelError::Load`] or
    /// [`ModelError::Run`] where ONNX Runtime fails, [`ModelError::Golden`] where ids or vector of
    /// the manifest's `[golden]` text are not the expected ones.
    pub fn text_encoder(&self, runtime: &Runtime) -> Result<TextEncoder, ModelError> {
        let encoder = self.text_encoder_unchecked(runtime)?;
        golden::check_texts(self, &encoder)?;
        Ok(encoder)
    }

    pub(crate) fn text_encoder_unchecked(
        &self,
        runtime: &Runtime,
    ) -> Result<TextEncoder, ModelError> {
        let tower = self.manifest.text.as_ref().ok_or_else(|| self.no_tower("text"))?;
        let path = self.files.path_of(FileRole::Tokenizer)?;
        let tokenizer = self.files.read(path)?;
        let tokens = crate::tokens::Tokens::load(&tokenizer, tower)
            .map_err(|reason| self.files.error(path, reason))?;
        TextEncoder::load(runtime, &self.manifest, tower, tokens, self.files.graph(FileRole::Text)?)
    }

    fn no_tower(&self, tower: &'static str) -> ModelError {
        ModelError::NoTower { model: self.manifest.id.clone(), tower }
    }
}
