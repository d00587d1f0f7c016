//! Where a model's files are: compiled into the program, or in a folder.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::manifest::{ModelFile, check_id};

/// Name of the manifest in a model's folder.
pub(crate) const MANIFEST: &str = "model.toml";

/// The encoder and the captioner that need no folder.
pub(crate) const DEMO_ENCODER: &str = "demo-clip";
pub(crate) const DEMO_CAPTIONER: &str = "demo-captioner";

/// A file compiled into the program: its path in the model's folder and its content.
type BuiltInFile = (&'static str, &'static [u8]);

static DEMO_CLIP: &[BuiltInFile] = &[
    (MANIFEST, include_bytes!("../models/demo-clip/model.toml")),
    ("onnx/vision_model.onnx", include_bytes!("../models/demo-clip/onnx/vision_model.onnx")),
    ("onnx/text_model.onnx", include_bytes!("../models/demo-clip/onnx/text_model.onnx")),
    ("tokenizer.json", include_bytes!("../models/demo-clip/tokenizer.json")),
];

static DEMO_CAPTIONER_FILES: &[BuiltInFile] = &[
    (MANIFEST, include_bytes!("../models/demo-captioner/model.toml")),
    ("onnx/encoder_model.onnx", include_bytes!("../models/demo-captioner/onnx/encoder_model.onnx")),
    ("onnx/decoder_model.onnx", include_bytes!("../models/demo-captioner/onnx/decoder_model.onnx")),
    ("tokenizer.json", include_bytes!("../models/demo-captioner/tokenizer.json")),
];

/// The place of one model's files.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Compiled in.
    BuiltIn(&'static [BuiltInFile]),
    /// This folder.
    Folder(PathBuf),
}

/// An ONNX graph to load.
pub(crate) enum Graph {
    /// The bytes of the file.
    Bytes(&'static [u8]),
    /// The file, which ONNX Runtime reads itself (with the weights lying beside it).
    File(PathBuf),
}

impl Source {
    /// A built-in model by name, a path where the name holds a separator, or the folder of that
    /// name in `folder` if it holds a manifest. `None` where it is none of them.
    pub(crate) fn find(name: &str, folder: &Path) -> Option<Source> {
        match name {
            DEMO_ENCODER => Some(Source::BuiltIn(DEMO_CLIP)),
            DEMO_CAPTIONER => Some(Source::BuiltIn(DEMO_CAPTIONER_FILES)),
            path if path.contains(std::path::is_separator) => {
                Some(Source::Folder(PathBuf::from(path)))
            }
            name if check_id(name).is_ok() && folder.join(name).join(MANIFEST).is_file() => {
                Some(Source::Folder(folder.join(name)))
            }
            _ => None,
        }
    }

    /// Names of the models in `folder`, in order; none where it cannot be read.
    pub(crate) fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let models = entries.filter(|entry| entry.path().join(MANIFEST).is_file());
        let mut names: Vec<String> =
            models.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        // What is being fetched has a name with a dot.
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    }

    /// The folder it is in; `None` for a built-in model.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Source::BuiltIn(_) => None,
            Source::Folder(folder) => Some(folder),
        }
    }

    /// Path of a file, for messages and for the loader.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        match self {
            Source::BuiltIn(_) => PathBuf::from(path),
            Source::Folder(folder) => folder.join(path),
        }
    }

    /// The whole content of a file.
    pub(crate) fn read(&self, path: &str) -> io::Result<Cow<'static, [u8]>> {
        match self {
            Source::BuiltIn(files) => built_in(files, path).map(Cow::Borrowed),
            Source::Folder(folder) => std::fs::read(folder.join(path)).map(Cow::Owned),
        }
    }

    /// The graph in a file.
    pub(crate) fn graph(&self, path: &str) -> io::Result<Graph> {
        match self {
            Source::BuiltIn(files) => built_in(files, path).map(Graph::Bytes),
            Source::Folder(folder) => Ok(Graph::File(folder.join(path))),
        }
    }

    /// Compares size and SHA-256 of a file with what the manifest says. The error completes "the
    /// file … ".
    pub(crate) fn verify(&self, file: &ModelFile) -> Result<(), String> {
        let (bytes, sha256) = match self {
            Source::BuiltIn(files) => {
                let content = built_in(files, &file.path).map_err(unreadable)?;
                (content.len() as u64, Sha256::digest(content).to_vec())
            }
            Source::Folder(folder) => {
                let path = folder.join(&file.path);
                let bytes = std::fs::metadata(&path).map_err(unreadable)?.len();
                // A wrong size needs no reading of what may be gigabytes.
                let sha256 = if bytes == file.bytes {
                    digest(&path).map_err(unreadable)?
                } else {
                    Vec::new()
                };
                (bytes, sha256)
            }
        };
        if bytes != file.bytes {
            return Err(format!(
                "has {bytes} bytes and its manifest says {}: fetch the file again",
                file.bytes
            ));
        }
        let found = hex::encode(sha256);
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

/// Completes "the file … ".
pub(crate) fn unreadable(error: io::Error) -> String {
    format!("cannot be read ({error}): check that it is there and readable")
}

/// SHA-256 of a file.
pub(crate) fn digest(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().to_vec()),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}
