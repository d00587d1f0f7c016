//! The manifest of a model: `model.toml`, which holds everything that differs between models.

use serde::{Deserialize, Serialize};

mod extra_input;
mod golden;
mod image;
mod outputs;
mod precision;
mod score;
mod text;

pub use extra_input::ExtraInput;
pub use golden::Golden;
pub use image::{ImageTower, PixelOrder, ResampleFilter, ResizeMode};
pub use precision::Precision;
pub use score::{Score, ScoreKind};
pub use text::TextTower;

/// A model as its `model.toml` describes it. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the model: lower-case letters, digits and `-`, because it becomes part of table
    /// names. A model with another file, precision or preprocessing is another model and needs
    /// another id.
    pub id: String,
    /// The embedding space. Only vectors of models with the same space may be compared.
    pub space: String,
    /// Length of every vector.
    pub dim: usize,
    /// Number format of the weights. A model in int8 is served only after a comparison with its
    /// fp32 or fp16 twin (see [`crate::gate`]).
    #[serde(default, skip_serializing_if = "is_default")]
    pub precision: Precision,
    /// Licence of the weights (SPDX where there is one).
    pub licence: String,
    /// The notice that the licence requires a user interface to show. Empty where it requires none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notice: String,
    /// True for a model that knows only the generated demo pictures. A user interface must say so.
    #[serde(default, skip_serializing_if = "is_default")]
    pub demo: bool,
    /// Where the files come from, for people to read: a repository and its revision.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// All files of the model, which are verified before use. A graph that holds both towers is
    /// listed twice.
    pub files: Vec<ModelFile>,
    /// The image tower. Absent where the model reads no pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageTower>,
    /// The text tower. Absent where the model reads no texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<TextTower>,
    /// The meaning of a cosine similarity of this model.
    #[serde(default)]
    pub score: Score,
    /// Values of the reference, compared when a tower is loaded. Absent where they are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub golden: Option<Golden>,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Path below the model's folder, with `/`, without `..`.
    pub path: String,
    /// Its role in the model.
    pub role: FileRole,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, 64 hexadecimal digits.
    pub sha256: String,
}

/// The role of a file in a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// ONNX graph of the image tower.
    Image,
    /// ONNX graph of the text tower.
    Text,
    /// `tokenizer.json`, in the format of the `tokenizers` library.
    Tokenizer,
    /// Weights beside a graph (`.onnx_data`). This crate verifies them, ONNX Runtime reads them.
    Weights,
    /// The picture of [`Golden`].
    Golden,
    /// ONNX graph of a captioner that writes captions.
    Decoder,
}

impl Manifest {
    /// Parses and checks the text of a `model.toml`.
    ///
    /// # Errors
    /// The reason in one sentence, with the line if it is known.
    pub fn parse(text: &str) -> Result<Manifest, String> {
        if text.lines().any(|line| line.trim_end() == "[decoder]") {
            return Err(String::from(
                "it describes a captioner, which makes no vectors: \
                 name it in the captioner's settings",
            ));
        }
        let manifest: Manifest = from_toml(text)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The text of a `model.toml` that [`Manifest::parse`] reads as this manifest.
    ///
    /// # Errors
    /// Why [`Manifest::parse`] would refuse this manifest, or why it cannot be written.
    pub fn to_toml(&self) -> Result<String, String> {
        self.check()?;
        toml::to_string(self).map_err(|error| error.to_string())
    }

    /// The file with this role.
    pub fn file(&self, role: FileRole) -> Option<&ModelFile> {
        self.files.iter().find(|file| file.role == role)
    }

    fn check(&self) -> Result<(), String> {
        check_id(&self.id)?;
        require(!self.space.is_empty(), || String::from("`space` is empty"))?;
        require((1..=65_536).contains(&self.dim), || {
            format!("`dim` is {}, outside 1 to 65536", self.dim)
        })?;
        require(self.image.is_some() || self.text.is_some(), || {
            String::from("it has neither [image] nor [text]")
        })?;
        self.check_files()?;
        self.image.as_ref().map_or(Ok(()), ImageTower::check)?;
        self.text.as_ref().map_or(Ok(()), TextTower::check)?;
        self.golden.as_ref().map_or(Ok(()), |golden| golden.check(self))
    }

    fn check_files(&self) -> Result<(), String> {
        let image = usize::from(self.image.is_some());
        let text = usize::from(self.text.is_some());
        let wanted = [
            (FileRole::Image, "image", image),
            (FileRole::Text, "text", text),
            (FileRole::Tokenizer, "tokenizer", text),
        ];
        check_files(&self.files, &wanted)
    }
}

/// Checks paths and digests, and that there are as many files of each role as `wanted` says.
pub(crate) fn check_files(
    files: &[ModelFile],
    wanted: &[(FileRole, &str, usize)],
) -> Result<(), String> {
    for file in files {
        check_path(&file.path)?;
        require(hex::decode(&file.sha256).is_ok_and(|digest| digest.len() == 32), || {
            format!("the sha256 of `{}` must be 64 hexadecimal digits", file.path)
        })?;
    }
    for (role, name, wanted) in wanted {
        let count = files.iter().filter(|file| file.role == *role).count();
        require(count == *wanted, || {
            format!("it has {count} files with role `{name}` and needs {wanted}")
        })?;
    }
    Ok(())
}

/// Parses TOML. The error is one sentence with the line.
pub(crate) fn from_toml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| text.get(..span.start).unwrap_or("").matches('\n').count() + 1);
        format!("line {line}: {}", error.message().trim().replace('\n', ", "))
    })
}

/// Checks the id of a model.
pub(crate) fn check_id(id: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    require(!id.is_empty() && id.len() <= 64 && id.chars().all(plain), || {
        format!("the id `{id}` must be 1 to 64 lower-case letters, digits or `-`")
    })
}

/// Checks that a path stays below the model's folder.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    require(path.split('/').all(plain) && !path.contains(['\\', ':']), || {
        format!("the file path `{path}` must lie below the model's folder")
    })
}

/// An error with this reason unless the condition `holds`.
pub(crate) fn require(holds: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(reason()) }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests;
