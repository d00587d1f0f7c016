//! Importing a model: a folder in the layout of a public repository gets a `model.toml`.
//!
//! The pattern is the catalogue's entry for the family ([`crate::catalogue::ImportHints`]). The
//! folder's own configuration overrides it.

mod check;
mod configs;
mod contradiction;
mod patterns;
mod pictures;
mod texts;

use std::path::{Path, PathBuf};

pub use check::check;
use configs::FolderConfigs;
pub use contradiction::Contradiction;
use patterns::{find_pattern, layout_of};
use serde_json::Value;

use crate::catalogue::{Entry, ImportHints, Recipe, RemoteFile};
use crate::manifest::Precision;
use crate::model::{sha256_of, unreadable};

/// Why a folder could not be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the folder {} cannot be imported: {reason}", folder.display())]
pub struct ImportError {
    /// The folder.
    pub folder: PathBuf,
    /// The missing or unknown part.
    pub reason: String,
}

/// Makes the text of a `model.toml` for a folder in the layout of transformers.js or Immich, in the
/// most exact precision that the folder has.
///
/// Reads the configuration, hashes all files (about one second per gigabyte) and writes nothing.
/// Comments at the head of the text list all assumptions.
///
/// # Errors
/// [`ImportError`] where the layout or the family is unknown, or files are missing.
pub fn folder(path: &Path) -> Result<String, ImportError> {
    import(path, None)
}

/// Makes the text of a `model.toml` for a folder, in this precision. See [`folder`].
///
/// # Errors
/// Those of [`folder`].
pub fn folder_as(path: &Path, precision: Precision) -> Result<String, ImportError> {
    import(path, Some(precision))
}

fn import(path: &Path, precision: Option<Precision>) -> Result<String, ImportError> {
    let failed = |reason: String| ImportError { folder: path.to_owned(), reason };
    let layout = layout_of(path).map_err(failed)?;
    let configs = FolderConfigs::load(path, layout).map_err(failed)?;
    if configs.model.is_null() {
        let missing = "it has no config.json, which tells the family of the model";
        return Err(failed(String::from(missing)));
    }
    let (pattern, hints) = find_pattern(layout, &configs.model).map_err(failed)?;
    let recipe = choose_recipe(path, pattern, precision).map_err(failed)?;

    let mut notes = vec![format!(
        "Made from the folder's configuration after the pattern of `{}`.",
        pattern.id
    )];
    let mut entry = entry_of_folder(path, pattern, hints, &configs, &mut notes);
    if let Some(tower) = &mut entry.image {
        pictures::apply(tower, &configs.picture, &mut notes).map_err(failed)?;
    }
    if let Some(tower) = &mut entry.text {
        texts::apply(tower, hints, &configs, &mut notes).map_err(failed)?;
        // A graph that holds both towers needs pixels beside a text, in the size of a picture.
        let pixels = entry
            .image
            .as_ref()
            .map(|image| (image.input.as_str(), [i64::from(image.height), i64::from(image.width)]));
        for extra in &mut tower.extra_inputs {
            if let (Some((name, size)), [.., height, width]) = (pixels, extra.shape.as_mut_slice())
                && extra.name == name
            {
                [*height, *width] = size;
            }
        }
    }
    let recipe =
        Recipe { id: format!("{}{}", entry.id, recipe.precision.suffix()), entry, ..recipe };
    let files = measure(path, &recipe).map_err(failed)?;
    let text = recipe.manifest(&files).map_err(failed)?;
    Ok(notes.iter().map(|note| format!("# {note}\n")).collect::<String>() + "\n" + &text)
}

/// The recipe for the wanted precision, else for the first precision whose files are all there.
fn choose_recipe(path: &Path, entry: &Entry, wanted: Option<Precision>) -> Result<Recipe, String> {
    let precisions = wanted.map_or_else(|| entry.precisions(), |one| vec![one]);
    let mut missing = Vec::new();
    for precision in precisions {
        let recipe = entry.resolve(precision)?;
        let absent =
            recipe.files.iter().find(|file| !file.optional && !path.join(&file.path).is_file());
        match absent {
            None => return Ok(recipe),
            Some(file) => missing.push(format!("{precision} lacks {}", file.path)),
        }
    }
    Err(format!("files are missing: {}", missing.join(", ")))
}

/// The pattern's entry with the name and the dimension of the folder's model.
fn entry_of_folder(
    path: &Path,
    pattern: &Entry,
    hints: &ImportHints,
    configs: &FolderConfigs,
    notes: &mut Vec<String>,
) -> Entry {
    let id = slug(path);
    let mut entry = Entry { id: id.clone(), space: id, ..pattern.clone() };
    entry.licence = String::from("unknown");
    entry.notice = String::new();
    entry.source.repo =
        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    entry.source.revision = String::from("an unknown revision");
    notes.push(String::from(
        "`licence` and `notice` are not in the files: set them from the page the model came from.",
    ));
    match configs
        .model
        .pointer(&hints.dim)
        .and_then(Value::as_u64)
        .and_then(|dim| usize::try_from(dim).ok())
    {
        Some(dim) => entry.dim = dim,
        None => notes
            .push(format!("config.json has no {}: `dim` is {}, check it.", hints.dim, entry.dim)),
    }
    if configs.model.get("init_logit_bias").is_some() {
        entry.score = crate::Score::default();
        notes.push(String::from(
            "The scale and bias of a sigmoid score are not in the files: \
             set [score] if you know them.",
        ));
    }
    entry
}

/// Path, size in bytes and SHA-256 of the files that are there.
fn measure(path: &Path, recipe: &Recipe) -> Result<Vec<(String, u64, String)>, String> {
    let mut files = Vec::new();
    for RemoteFile { path: name, optional, .. } in &recipe.files {
        let file = path.join(name);
        if *optional && !file.is_file() {
            continue;
        }
        let failed = |error| format!("the file `{name}` {}", unreadable(error));
        let bytes = std::fs::metadata(&file).map_err(failed)?.len();
        files.push((name.clone(), bytes, hex::encode(sha256_of(&file).map_err(failed)?)));
    }
    Ok(files)
}

/// A model id from the name of the folder.
fn slug(path: &Path) -> String {
    // Leaves room for the suffix of a precision.
    const LONGEST: usize = 56;
    let name = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name =
        name.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect::<String>();
    let parts: Vec<&str> = plain.split('-').filter(|part| !part.is_empty()).collect();
    let slug: String = parts.join("-").chars().take(LONGEST).collect();
    if slug.is_empty() { String::from("imported") } else { slug }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_a_name() {
        assert_eq!(slug(Path::new("/models/ViT-B-32__openai/")), "vit-b-32-openai");
        assert_eq!(slug(Path::new("/models/模型")), "imported");
        assert_eq!(slug(Path::new(&format!("/models/{}", "a".repeat(80)))).len(), 56);
    }

    #[test]
    fn a_folder_without_a_model_says_what_was_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let error = super::folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains("neither `onnx/`") && error.contains("by hand"), "{error}");
        std::fs::create_dir(folder.path().join("onnx")).unwrap();
        let error = super::folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains("config.json"), "{error}");
        std::fs::write(folder.path().join("config.json"), r#"{"model_type": "bert"}"#).unwrap();
        let error = super::folder(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("`bert`") && error.contains("siglip") && error.contains("chinese_clip"),
            "{error}"
        );
        std::fs::write(folder.path().join("config.json"), r#"{"model_type": "clip"}"#).unwrap();
        let error = super::folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains("fp32 lacks onnx/vision_model.onnx"), "{error}");
    }
}
