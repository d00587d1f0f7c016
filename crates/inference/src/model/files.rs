//! The verified files of a model, from which every kind of model is loaded.

use std::borrow::Cow;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::source::{MANIFEST, ModelSource, unreadable};
use super::stamps::FileStamps;
use crate::manifest::{FileRole, ModelFile};
use crate::onnx::Graph;
use crate::{ModelError, catalogue};

/// The files that the manifest of a model lists.
#[derive(Debug, Clone)]
pub(crate) struct ModelFiles {
    model: String,
    listed: Vec<ModelFile>,
    source: ModelSource,
}

/// Finds the model with this name. Returns its manifest, the SHA-256 of the manifest, and the
/// verified files.
///
/// `parse` reads a manifest, `id_and_files` gives the id and the files that it names. `built_in` is
/// the model that needs no folder, for messages.
pub(crate) fn find_verified<M>(
    name: &str,
    folder: &Path,
    built_in: &'static str,
    parse: impl Fn(&str) -> Result<M, String>,
    id_and_files: impl Fn(&M) -> (&str, &[ModelFile]),
) -> Result<(M, String, ModelFiles), ModelError> {
    let source = ModelSource::find(name, folder).ok_or_else(|| unknown(name, folder, built_in))?;
    let manifest_error = |reason| ModelError::Manifest { model: name.to_owned(), reason };
    let text = source.read_file(MANIFEST).map_err(|error| ModelError::File {
        model: name.to_owned(),
        path: source.path(MANIFEST),
        reason: unreadable(error),
    })?;
    let text = std::str::from_utf8(&text)
        .map_err(|_| manifest_error(String::from("it is not UTF-8 text")))?;
    let manifest = parse(text).map_err(manifest_error)?;
    let (id, listed) = id_and_files(&manifest);
    let files = ModelFiles { model: id.to_owned(), listed: listed.to_vec(), source };
    let mut stamps = files.folder().map(FileStamps::of);
    files.verify(stamps.as_mut())?;
    if let Some(stamps) = stamps {
        stamps.save();
    }
    Ok((manifest, hex::encode(Sha256::digest(text)), files))
}

impl ModelFiles {
    /// Compares the size and SHA-256 of every file with the manifest.
    pub(super) fn verify(&self, mut stamps: Option<&mut FileStamps>) -> Result<(), ModelError> {
        let mut verified = Vec::new();
        for file in &self.listed {
            // A graph that holds both towers is listed twice.
            let content = (&file.path, file.bytes, &file.sha256);
            if verified.contains(&content) {
                continue;
            }
            verified.push(content);
            self.source
                .verify(file, stamps.as_deref_mut())
                .map_err(|reason| self.error(&file.path, reason))?;
        }
        Ok(())
    }

    /// The folder of the files. `None` for a built-in model.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.source.folder()
    }

    /// The content of a file.
    pub(crate) fn read_file(&self, path: &str) -> Result<Cow<'static, [u8]>, ModelError> {
        self.source.read_file(path).map_err(|error| self.error(path, unreadable(error)))
    }

    /// The graph with this role.
    pub(crate) fn graph(&self, role: FileRole) -> Result<Graph, ModelError> {
        let path = self.path_of(role)?;
        self.source.graph(path).map_err(|error| self.error(path, unreadable(error)))
    }

    /// The path of the file with this role.
    pub(crate) fn path_of(&self, role: FileRole) -> Result<&str, ModelError> {
        let file = self.listed.iter().find(|file| file.role == role);
        file.map(|file| file.path.as_str()).ok_or_else(|| ModelError::Manifest {
            model: self.model.clone(),
            reason: format!("it names no file for the role {role:?}"),
        })
    }

    /// An error about a file. `reason` completes the sentence "the file … ".
    pub(crate) fn error(&self, path: &str, reason: String) -> ModelError {
        ModelError::File { model: self.model.clone(), path: self.source.path(path), reason }
    }
}

fn unknown(name: &str, folder: &Path, built_in: &'static str) -> ModelError {
    let found = ModelSource::names(folder);
    let found = if found.is_empty() {
        String::from("holds no model")
    } else {
        format!("holds {}", found.join(", "))
    };
    let known = catalogue::ids().join(", ");
    ModelError::UnknownModel {
        name: name.to_owned(),
        built_in,
        folder: folder.to_owned(),
        found,
        known,
    }
}
