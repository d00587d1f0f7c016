//! A whole model from the hub: all of its files, then its manifest, then its name.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use inference::catalogue::Recipe;
use inference::{Model, Precision};

use super::download::{self, Wanted};
use super::hub::{Hub, HubFile};
use super::line;

/// Fetches a model into `<folder>/<id>`. Until it is whole it lies in `<folder>/.<id>.part`, where
/// the next attempt goes on.
///
/// # Errors
/// The hub does not give it, another process is fetching it, or the disk does not take it.
pub(super) async fn pull(mut recipe: Recipe, folder: &Path) -> anyhow::Result<()> {
    let target = folder.join(&recipe.id);
    if target.exists() {
        // Verifies all files, as every later start does.
        Model::find(&recipe.id, folder)
            .with_context(|| format!("{} is there and not whole: remove it", target.display()))?;
        return line(&format!("{} is there and whole: {}", recipe.id, target.display()));
    }
    licence(&recipe)?;
    fs::create_dir_all(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    let _alone = lock(&folder.join(format!(".{}.lock", recipe.id)), &recipe.id)?;

    let hub = Hub::from_environment()?;
    let (repo, revision) = (recipe.entry.source.repo.clone(), recipe.entry.source.revision.clone());
    let there = hub.revision(&repo, &revision).await?;
    let mut wanted: Vec<HubFile> = Vec::new();
    for file in &recipe.files {
        match there.files.iter().find(|there| there.path == file.path) {
            Some(found) => wanted.push(found.clone()),
            None => {
                ensure!(
                    file.optional,
                    "{repo} has no file {} at {}: its layout is not the catalogue's",
                    file.path,
                    there.commit
                )
            }
        }
    }
    let bar = bar(wanted.iter().map(|file| file.bytes).sum());
    let staging = folder.join(format!(".{}.part", recipe.id));
    let mut pulled = Vec::new();
    for file in &wanted {
        bar.set_message(file.path.clone());
        let one = Wanted { repo: &repo, commit: &there.commit, file };
        let sha256 = download::fetch(&hub, &one, &staging.join(&file.path), &bar).await?;
        pulled.push((file.path.clone(), file.bytes, sha256));
    }
    bar.finish_and_clear();
    // From now on the model is what this commit holds, whatever becomes of the branch.
    recipe.entry.source.revision = there.commit;
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

/// Held as long as the result lives, and given back by the system when the process ends in any way.
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

/// Shown on a terminal only.
fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}")
    {
        bar.set_style(style);
    }
    bar
}
