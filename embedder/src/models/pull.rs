//! `pull`: a whole model from the hub. All of its files come first, then its manifest, then its
//! name.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use inference::catalogue::Recipe;
use inference::{Model, Precision};

use super::download::Download;
use super::hub::{Hub, HubFile, HubRevision};
use super::line;

/// Fetches a model into `<folder>/<id>`. Until it is whole it lies in `<folder>/.<id>.part`, where
/// the next attempt resumes.
///
/// # Errors
/// The hub does not give the model, another process is fetching it, or it cannot be written.
pub(super) async fn pull(mut recipe: Recipe, folder: &Path) -> anyhow::Result<()> {
    let target = folder.join(&recipe.id);
    if target.exists() {
        // Verifies all files, as every start of a program does.
        Model::find(&recipe.id, folder)
            .with_context(|| format!("{} is there and not whole: remove it", target.display()))?;
        return line(&format!("{} is there and whole: {}", recipe.id, target.display()));
    }
    licence(&recipe)?;
    fs::create_dir_all(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    let _alone = lock(&folder.join(format!(".{}.lock", recipe.id)), &recipe.id)?;

    let hub = Hub::from_environment()?;
    let source = &recipe.entry.source;
    let revision = hub.revision(&source.repo, &source.revision).await?;
    let files = files_of(&recipe, &revision)?;
    let staging = folder.join(format!(".{}.part", recipe.id));
    let bar = bar(files.iter().map(|file| file.bytes).sum());
    let download = Download { hub: &hub, revision: &revision, bar: &bar };
    let mut pulled = Vec::new();
    for file in files {
        bar.set_message(file.path.clone());
        let sha256 = download.fetch(file, &staging.join(&file.path)).await?;
        pulled.push((file.path.clone(), file.bytes, sha256));
    }
    bar.finish_and_clear();
    // The manifest names the commit, so a branch that moves on changes nothing.
    recipe.entry.source.revision = revision.commit.clone();
    let manifest = recipe.manifest(&pulled).map_err(anyhow::Error::msg)?;
    fs::write(staging.join("model.toml"), manifest)
        .with_context(|| format!("{} cannot be written", staging.display()))?;
    fs::rename(&staging, &target).with_context(|| {
        format!("{} cannot be renamed to {}", staging.display(), target.display())
    })?;
    line(&format!("{} is ready in {}: set models.serve to it", recipe.id, target.display()))?;
    if recipe.precision == Precision::Int8 {
        let exact = &recipe.entry.id;
        line(&format!(
            "before it is served: embedder models gate {} --against {exact} --pictures FOLDER",
            recipe.id
        ))?;
    }
    Ok(())
}

/// The files of the recipe as the hub has them, without the optional ones that it lacks.
fn files_of<'a>(recipe: &Recipe, revision: &'a HubRevision) -> anyhow::Result<Vec<&'a HubFile>> {
    let mut files = Vec::new();
    for file in &recipe.files {
        let found = revision.files.iter().find(|found| found.path == file.path);
        ensure!(
            found.is_some() || file.optional,
            "{} has no file {} at {}: its layout is not the catalogue's",
            revision.repo,
            file.path,
            revision.commit
        );
        files.extend(found);
    }
    Ok(files)
}

/// Prints where the model comes from, and its licence.
fn licence(recipe: &Recipe) -> anyhow::Result<()> {
    let entry = &recipe.entry;
    line(&format!(
        "{} from {} ({}), licence: {}",
        recipe.id, entry.source.repo, entry.source.revision, entry.licence
    ))?;
    if !entry.notice.is_empty() {
        line(&entry.notice)?;
    }
    Ok(())
}

/// Locks the model against other processes for as long as the result lives. The system releases the
/// lock when the process ends, however it ends.
fn lock(path: &Path, id: &str) -> anyhow::Result<File> {
    let file = File::create(path)
        .with_context(|| format!("the file {} cannot be made", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another process is fetching {id} into the same folder: wait for it")
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("the file {} cannot be locked", path.display()))
        }
    }
}

/// A progress bar, which shows on a terminal only.
fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}")
    {
        bar.set_style(style);
    }
    bar
}
