//! The configuration files of a repository, against which the recipe of a model is checked when it
//! is fetched.
//!
//! They are those of the same commit as the model, and the hub's checksums hold for them as for all
//! files.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, ensure};
use inference::catalogue::Entry;
use inference::import;

use super::hub::{HubFile, HubRevision};
use super::line;

/// The configuration files that the revision has.
///
/// # Errors
/// One is larger than such files are.
pub(super) fn files_of<'a>(
    entry: &Entry,
    revision: &'a HubRevision,
) -> anyhow::Result<Vec<&'a HubFile>> {
    let mut files = Vec::new();
    for config in entry.config_files() {
        let Some(file) = revision.files.iter().find(|file| file.path == config.path) else {
            continue;
        };
        ensure!(
            file.bytes <= config.max_bytes,
            "the file {} of {} has {} bytes, and such a file has at most {}: \
             it is no configuration",
            file.path,
            revision.repo,
            file.bytes,
            config.max_bytes
        );
        files.push(file);
    }
    Ok(files)
}

/// Removes configuration files that an earlier attempt fetched and this revision does not have.
///
/// # Errors
/// One cannot be removed.
pub(super) fn forget_others(
    entry: &Entry,
    present: &[&HubFile],
    staging: &Path,
) -> anyhow::Result<()> {
    let gone = entry
        .config_files()
        .iter()
        .filter(|config| present.iter().all(|file| file.path != config.path));
    for config in gone {
        let path = staging.join(config.path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("the file {} cannot be removed", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Compares the entry with the configuration files and the tokenizer in `staging`.
///
/// # Errors
/// A file contradicts the entry, or cannot be understood.
pub(super) fn check(entry: &Entry, revision: &HubRevision, staging: &Path) -> anyhow::Result<()> {
    let HubRevision { repo, commit, .. } = revision;
    let found = import::check(staging, entry)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("the configuration of {repo} at {commit} is not understood"))?;
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    ensure!(
        found.is_empty(),
        "the entry of `{}` contradicts {repo} at {commit}: {}. The model would get other input \
         than it was trained with: correct the entry in a file and name it with --catalogue",
        entry.id,
        found.join("; ")
    );
    let mut of_pictures = entry.config_files().iter().filter(|config| config.of_pictures);
    if entry.image.is_some() && !of_pictures.any(|config| staging.join(config.path).is_file()) {
        line(&format!(
            "{repo} has no file about the preprocessing of pictures: that of the entry is not \
             confirmed"
        ))?;
    }
    Ok(())
}
