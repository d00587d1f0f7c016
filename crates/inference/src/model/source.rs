//! Where the files of a model are: compiled into the program, or in a folder.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::sha256::sha256_of;
use super::stamps::FileStamps;
use crate::manifest::{ModelFile, check_id};
use crate::onnx::Graph;

/// File name of the manifest in a model's folder.
pub(crate) const MANIFEST: &str = "model.toml";

/// Names of the encoder and the captioner that are compiled in.
pub(crate) const DEMO_ENCODER: &str = "demo-clip";
pub(crate) const DEMO_CAPTIONER: &str = "demo-captioner";

/// A file compiled into the program: its path in the model's folder and its content.
type BuiltInFile = (&'static str, &'static [u8]);

static DEMO_CLIP: &[BuiltInFile] = &[
    (MANIFEST, include_bytes!("../../models/demo-clip/model.toml")),
    ("onnx/vision_model.onnx", include_bytes!("../../models/demo-clip/onnx/vision_model.onnx")),
    ("onnx/text_model.onnx", include_bytes!("../../models/demo-clip/onnx/text_model.onnx")),
    ("tokenizer.json", include_bytes!("../../models/demo-clip/tokenizer.json")),
];

static DEMO_CAPTIONER_FILES: &[BuiltInFile] = &[
    (MANIFEST, include_bytes!("../../models/demo-captioner/model.toml")),
    (
        "onnx/encoder_model.onnx",
        include_bytes!("../../models/demo-captioner/onnx/encoder_model.onnx"),
    ),
    (
        "onnx/decoder_model.onnx",
        include_bytes!("../../models/demo-captioner/onnx/decoder_model.onnx"),
    ),
    ("tokenizer.json", include_bytes!("../../models/demo-captioner/tokenizer.json")),
];

/// The place of the files of one model.
#[derive(Debug, Clone)]
pub(crate) enum ModelSource {
    /// Compiled in.
    BuiltIn(&'static [BuiltInFile]),
    /// This folder.
    Folder(PathBuf),
}

impl ModelSource {
    /// Finds a built-in model by its name, a folder by its path (a name that holds a separator), or
    /// the folder of that name in `folder` if it holds a manifest. `None` for any other name.
    pub(crate) fn find(name: &str, folder: &Path) -> Option<ModelSource> {
        match name {
            DEMO_ENCODER => Some(ModelSource::BuiltIn(DEMO_CLIP)),
            DEMO_CAPTIONER => Some(ModelSource::BuiltIn(DEMO_CAPTIONER_FILES)),
            path if path.contains(std::path::is_separator) => {
                Some(ModelSource::Folder(PathBuf::from(path)))
            }
            name if check_id(name).is_ok() && folder.join(name).join(MANIFEST).is_file() => {
                Some(ModelSource::Folder(folder.join(name)))
            }
            _ => None,
        }
    }

    /// The sorted names of the models in `folder`. Empty where it cannot be read.
    pub(crate) fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let models = entries.filter(|entry| entry.path().join(MANIFEST).is_file());
        let mut names: Vec<String> =
            models.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        // A model that is still being fetched lies in a hidden folder.
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    }

    /// The folder. `None` for a built-in model.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            ModelSource::BuiltIn(_) => None,
            ModelSource::Folder(folder) => Some(folder),
        }
    }

    /// The path of a file, for messages.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        match self {
            ModelSource::BuiltIn(_) => PathBuf::from(path),
            ModelSource::Folder(folder) => folder.join(path),
        }
    }

    /// The content of a file.
    pub(crate) fn read_file(&self, path: &str) -> io::Result<Cow<'static, [u8]>> {
        match self {
            ModelSource::BuiltIn(files) => built_in(files, path).map(Cow::Borrowed),
            ModelSource::Folder(folder) => std::fs::read(folder.join(path)).map(Cow::Owned),
        }
    }

    /// The graph in a file.
    pub(crate) fn graph(&self, path: &str) -> io::Result<Graph> {
        match self {
            ModelSource::BuiltIn(files) => built_in(files, path).map(Graph::Bytes),
            ModelSource::Folder(folder) => Ok(Graph::File(folder.join(path))),
        }
    }

    /// Compares the size and SHA-256 of a file with the manifest. With `stamps`, a file that they
    /// know is not hashed. The error completes the sentence "the file … ".
    pub(super) fn verify(
        &self,
        file: &ModelFile,
        stamps: Option<&mut FileStamps>,
    ) -> Result<(), String> {
        let (bytes, found) = match self {
            ModelSource::BuiltIn(files) => {
                let content = built_in(files, &file.path).map_err(unreadable)?;
                (content.len() as u64, hex::encode(Sha256::digest(content)))
            }
            ModelSource::Folder(folder) => {
                let path = folder.join(&file.path);
                let bytes = std::fs::metadata(&path).map_err(unreadable)?.len();
                let found = match stamps {
                    // A file of the wrong size need not be hashed: it may have gigabytes.
                    _ if bytes != file.bytes => Ok(String::new()),
                    Some(stamps) => stamps.sha256(&file.path, &file.sha256),
                    None => sha256_of(&path).map(hex::encode),
                };
                (bytes, found.map_err(unreadable)?)
            }
        };
        if bytes != file.bytes {
            return Err(format!(
                "has {bytes} bytes and its manifest says {}: fetch the file again",
                file.bytes
            ));
        }
        if !found.eq_ignore_ascii_case(&file.sha256) {
            return Err(format!(
                "has the sha256 {found} and its manifest says {}: fetch the file again",
                file.sha256
            ));
        }
        Ok(())
    }
}

fn built_in(files: &'static [BuiltInFile], path: &str) -> io::Result<&'static [u8]> {
    let found = files.iter().find(|(name, _)| *name == path);
    found.map(|(_, content)| *content).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Says why a file cannot be read. Completes the sentence "the file … ".
pub(crate) fn unreadable(error: io::Error) -> String {
    format!("cannot be read ({error}): check that it is there and readable")
}
