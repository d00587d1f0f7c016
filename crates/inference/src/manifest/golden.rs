//! `[golden]`: what the program that made the model computed, so that a wrong file or wrong
//! settings show at once.

use serde::{Deserialize, Serialize};

use super::{FileRole, Manifest, require};

/// Fewest values of a vector that say anything about it.
const MIN_VALUES: usize = 8;

/// One picture and one text with the vectors that the reference computed from them. Checked when a
/// tower is loaded.
///
/// Only a program other than this one may write it (see `infra/train/parity/against_hf.py`): our own
/// numbers would prove nothing.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Path of the picture: a file of the manifest with the role `golden`. Empty where there is no
    /// picture.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub picture: String,
    /// The first values of the picture's vector, scaled to unit length: at least 8, at most `dim`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub picture_vector: Vec<f32>,
    /// The text. Empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The first values of the text's vector, scaled to unit length: at least 8, at most `dim`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub text_vector: Vec<f32>,
    /// The token ids of the text without padding. Empty where they are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub text_ids: Vec<i64>,
    /// The cosine similarity of picture and text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosine: Option<f32>,
    /// Least agreement with the reference; see [`crate::golden::agreement`].
    #[serde(default = "default_gate")]
    pub min_agreement: f32,
}

/// As end-to-end comparisons with the reference libraries allow: decoders and resizers differ in
/// the last bit.
fn default_gate() -> f32 {
    0.9995
}

impl Golden {
    pub(super) fn check(&self, manifest: &Manifest) -> Result<(), String> {
        let picture = !self.picture.is_empty();
        let listed = manifest
            .files
            .iter()
            .any(|file| file.role == FileRole::Golden && file.path == self.picture);
        require(!picture || (manifest.image.is_some() && listed), || {
            String::from(
                "[golden] `picture` must be one of the files with `role = \"golden\"`, and needs [image]",
            )
        })?;
        require(self.text.is_empty() || manifest.text.is_some(), || {
            String::from("[golden] `text` needs [text]")
        })?;
        for (name, wanted, vector) in [
            ("picture", picture, &self.picture_vector),
            ("text", !self.text.is_empty(), &self.text_vector),
        ] {
            let least = MIN_VALUES.min(manifest.dim);
            require(
                if wanted {
                    (least..=manifest.dim).contains(&vector.len())
                } else {
                    vector.is_empty()
                },
                || {
                    format!(
                        "[golden] `{name}_vector` needs {least} to {} values beside a `{name}`",
                        manifest.dim
                    )
                },
            )?;
            require(vector.iter().all(|value| value.is_finite()), || {
                format!("[golden] `{name}_vector` has a value that is no number")
            })?;
        }
        let pair = picture && !self.text.is_empty();
        require(self.cosine.is_none() || pair, || {
            String::from("[golden] `cosine` needs a `picture` and a `text`")
        })?;
        require(self.min_agreement > 0.0 && self.min_agreement <= 1.0, || {
            String::from("[golden] `min_agreement` must be above 0 and at most 1")
        })
    }
}
