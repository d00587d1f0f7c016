//! A model: its manifest and its verified files, from which encoders are made.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::manifest::{FileRole, Manifest};
use crate::source::{BUILT_IN, Graph, MANIFEST, Source, unreadable};
use crate::{ImageEncoder, ModelError, Runtime, TextEncoder, catalogue, golden};

/// A model whose files were verified; nothing of it is loaded yet.
#[derive(Debug, Clone)]
pub struct Model {
    /// What `model.toml` says.
    pub manifest: Manifest,
    /// SHA-256 of `model.toml` as hex: names model files, preprocessing and tokenising at once.
    pub digest: String,
    source: Source,
}

/// Names of the models in a folder where models are kept, in order; none where it cannot be read.
pub fn installed(folder: &Path) -> Vec<String> {
    Source::names(folder)
}

impl Model {
    /// Finds a model and verifies size and SHA-256 of all its files (about one second per gigabyte).
    ///
    /// `demo-clip` is compiled in. A name that holds a path separator is a folder with a `model.toml`; any other name is
    /// the folder of that name in `folder`, where models are kept.
    ///
    /// # Errors
    /// [`ModelError::UnknownModel`], [`ModelError::Manifest`] or [`ModelError::File`], all fatal.
    pub fn find(name: &str, folder: &Path) -> Result<Model, ModelError> {
        let source = Source::find(name, folder).ok_or_else(|| unknown(name, folder))?;
        let file_error = |model: &str, path: PathBuf, reason| ModelError::File { model: model.to_owned(), path, reason };
        let manifest_error = |reason| ModelError::Manifest { model: name.to_owned(), reason };

        let text = source.read(MANIFEST).map_err(|e| file_error(name, source.path(MANIFEST), unreadable(e)))?;
        let text = std::str::from_utf8(&text).map_err(|_| manifest_error(String::from("it is not UTF-8 text")))?;
        let manifest = Manifest::parse(text).map_err(manifest_error)?;
        let mut verified = Vec::new();
        for file in &manifest.files {
            // A graph of both towers is listed twice.
            let content = (&file.path, file.bytes, &file.sha256);
            if verified.contains(&content) {
                continue;
            }
            verified.push(content);
            source.verify(file).map_err(|reason| file_error(&manifest.id, source.path(&file.path), reason))?;
        }
        let digest = hex::encode(Sha256::digest(text));
        Ok(Model { manifest, digest, source })
    }

    /// The folder the model is in; `None` where it is built in.
    pub fn folder(&self) -> Option<&Path> {
        self.source.folder()
    }

    /// Loads the image tower and runs it once, so that the first picture is as fast as the next.
    ///
    /// `max_batch` is the most pictures in one run (0: 8 on a CPU, 64 on a GPU); a graph exported for single pictures runs
    /// them singly.
    ///
    /// # Errors
    /// [`ModelError::NoTower`], [`ModelError::Manifest`] where manifest and graph disagree (names, types, sizes,
    /// dimension), [`ModelError::Load`] or [`ModelError::Run`] where ONNX Runtime fails, [`ModelError::Golden`] where the
    /// vector of the manifest's `[golden]` picture is not the expected one.
    pub fn image_encoder(&self, runtime: &Runtime, max_batch: usize) -> Result<ImageEncoder, ModelError> {
        let encoder = self.image_encoder_unchecked(runtime, max_batch)?;
        golden::check_images(self, &encoder)?;
        Ok(encoder)
    }

    pub(crate) fn image_encoder_unchecked(&self, runtime: &Runtime, max_batch: usize) -> Result<ImageEncoder, ModelError> {
        let tower = self.manifest.image.as_ref().ok_or_else(|| self.no_tower("image"))?;
        ImageEncoder::load(runtime, &self.manifest, tower, self.graph(FileRole::Image)?, max_batch)
    }

    /// Loads the text tower with its tokenizer and runs it once.
    ///
    /// # Errors
    /// [`ModelError::NoTower`], [`ModelError::File`] for a tokenizer that cannot be read, [`ModelError::Manifest`] where
    /// manifest and graph disagree, [`ModelError::Load`] or [`ModelError::Run`] where ONNX Runtime fails,
    /// [`ModelError::Golden`] where ids or vector of the manifest's `[golden]` text are not the expected ones.
    pub fn text_encoder(&self, runtime: &Runtime) -> Result<TextEncoder, ModelError> {
        let encoder = self.text_encoder_unchecked(runtime)?;
        golden::check_texts(self, &encoder)?;
        Ok(encoder)
    }

    pub(crate) fn text_encoder_unchecked(&self, runtime: &Runtime) -> Result<TextEncoder, ModelError> {
        let tower = self.manifest.text.as_ref().ok_or_else(|| self.no_tower("text"))?;
        let path = self.path_of(FileRole::Tokenizer)?;
        let tokenizer = self.read(path)?;
        let tokens = crate::tokens::Tokens::load(&tokenizer, tower).map_err(|reason| self.file_error(path, reason))?;
        TextEncoder::load(runtime, &self.manifest, tower, tokens, self.graph(FileRole::Text)?)
    }

    /// The whole content of a file beside `model.toml`.
    pub(crate) fn read(&self, path: &str) -> Result<Cow<'static, [u8]>, ModelError> {
        self.source.read(path).map_err(|error| self.file_error(path, unreadable(error)))
    }

    fn graph(&self, role: FileRole) -> Result<Graph, ModelError> {
        let path = self.path_of(role)?;
        self.source.graph(path).map_err(|error| self.file_error(path, unreadable(error)))
    }

    fn path_of(&self, role: FileRole) -> Result<&str, ModelError> {
        self.manifest.file(role).map(|file| file.path.as_str()).ok_or_else(|| ModelError::Manifest {
            model: self.manifest.id.clone(),
            reason: format!("it names no file for the role {role:?}"),
        })
    }

    pub(crate) fn file_error(&self, path: &str, reason: String) -> ModelError {
        ModelError::File { model: self.manifest.id.clone(), path: self.source.path(path), reason }
    }

    fn no_tower(&self, tower: &'static str) -> ModelError {
        ModelError::NoTower { model: self.manifest.id.clone(), tower }
    }
}

fn unknown(name: &str, folder: &Path) -> ModelError {
    let found = Source::names(folder);
    let found = if found.is_empty() { String::from("holds no model") } else { format!("holds {}", found.join(", ")) };
    let known = catalogue::ids().join(", ");
    ModelError::UnknownModel { name: name.to_owned(), built_in: BUILT_IN, folder: folder.to_owned(), found, known }
}
