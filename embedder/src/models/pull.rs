//! `pull`: a whole model from the hub. All of its files come first, then its manifest, then its
//! name.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use inference::catalogue::Recipe;
use inference::{FileRole, Model, Precision};

use super::download::Download;
use super::hub::{Hub, HubFile, HubRevision};
use super::{configuration, line};

/// Fetches a model into `<folder>/<id>`. Until it is whole it lies in `<folder>/.<id>.part`, where
/// the next attempt resumes.
///
/// # Errors
/// The hub does not give the model, its configuration contradicts the recipe, another process is
/// fetching it, or it cannot be written.
pub(super) async fn pull(mut recipe: Recipe, folder: &Path) -> anyhow::Result<()> {
    let target = folder.join(&recipe.id);
    if target.exists() {
        let model = Model::find(&recipe.id, folder)
            .with_context(|| format!("{} is there and not whole: remove it", target.display()))?;
        line(&format!("{} is there and whole: {}", recipe.id, target.display()))?;
        return outdated(&recipe, &model);
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
    let configs = configuration::files_of(&recipe.entry, &revision)?;
    let bar = bar(files.iter().chain(&configs).map(|file| file.bytes).sum());
    let download = Download { hub: &hub, revision: &revision, bar: &bar };
    // The small files come first: a wrong recipe is refused before gigabytes are fetched.
    let (tokenizers, graphs): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| recipe.is(&file.path, FileRole::Tokenizer));
    configuration::forget_others(&recipe.entry, &configs, &staging)?;
    fetch(&download, configs, &staging).await?;
    let mut pulled = fetch(&download, tokenizers, &staging).await?;
    configuration::check(&recipe.entry, &revision, &staging)?;
    pulled.extend(fetch(&download, graphs, &staging).await?);
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

/// Fetches files, and returns path, size and SHA-256 of each.
async fn fetch(
    download: &Download<'_>,
    files: Vec<&HubFile>,
    staging: &Path,
) -> anyhow::Result<Vec<(String, u64, String)>> {
    let mut fetched = Vec::new();
    for file in files {
        download.bar.set_message(file.path.clone());
        let sha256 = download.fetch(file, &staging.join(&file.path)).await?;
        fetched.push((file.path.clone(), file.bytes, sha256));
    }
    Ok(fetched)
}

/// Says so where an installed model prepares its input in another way than the recipe.
fn outdated(recipe: &Recipe, model: &Model) -> anyhow::Result<()> {
    let (manifest, entry) = (&model.manifest, &recipe.entry);
    if (&manifest.image, &manifest.text) == (&entry.image, &entry.text) {
        return Ok(());
    }
    line(&format!(
        "its model.toml prepares pictures or words in another way than the present entry. It stays \
         as it is, and so do the vectors made with it. To change, fetch the model under another id \
         (--as {}-2), let it be filled, and activate it",
        entry.id
    ))
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
