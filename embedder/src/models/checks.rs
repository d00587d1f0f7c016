//! `import`, `verify` and `gate`: the commands that make a model of a folder and check it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use inference::{
    Detail, Model, Picture, PictureLimits, Precision, Runtime, RuntimeSettings, decode, gate,
    golden, import,
};

use super::line;

const MANIFEST: &str = "model.toml";
/// Pictures per run of a comparison.
const BATCH: usize = 8;
/// Depth of folders that are searched for pictures.
const MAX_DEPTH: usize = 16;

/// Writes the manifest of a folder, and prints what was assumed.
pub(super) fn import(
    folder: &Path,
    precision: Option<Precision>,
    force: bool,
) -> anyhow::Result<()> {
    let manifest = folder.join(MANIFEST);
    ensure!(
        force || !manifest.exists(),
        "{} is there already; --force replaces it",
        manifest.display()
    );
    let text = match precision {
        Some(precision) => import::folder_as(folder, precision)?,
        None => import::folder(folder)?,
    };
    fs::write(&manifest, &text)
        .with_context(|| format!("{} cannot be written", manifest.display()))?;
    for note in text.lines().map_while(|line| line.strip_prefix("# ")) {
        line(note)?;
    }
    line(&format!(
        "wrote {}: read it, then set models.serve to the folder's path (with a separator in it)",
        manifest.display()
    ))
}

/// Checks the files of a model and, if its manifest has them, the numbers of its reference.
pub(super) fn verify(name: &str, folder: &Path, settings: &RuntimeSettings) -> anyhow::Result<()> {
    let model = Model::find(name, folder)?;
    model.verify_files()?;
    line(&format!(
        "{}: {} files are what {MANIFEST} says",
        model.manifest.id,
        model.manifest.files.len()
    ))?;
    let runtime = Runtime::start(settings)?;
    if model.manifest.golden.is_none() {
        // Loading shows at least that the graphs fit the manifest and run.
        if model.manifest.image.is_some() {
            model.image_encoder(&runtime, 1)?;
        }
        if model.manifest.text.is_some() {
            model.text_encoder(&runtime)?;
        }
        return line(
            "it loads and runs; its manifest has no [golden], so what it computes is compared \
             with nothing",
        );
    }
    let report = golden::verify(&model, &runtime)?;
    for check in &report.checks {
        line(&format!("{} {check}", if check.passed() { "ok    " } else { "FAILED" }))?;
    }
    ensure!(report.passed(), "{} does not compute what its reference computed", report.model);
    Ok(())
}

/// Compares two precisions of one model on pictures, and records the result beside the candidate.
pub(super) fn gate(
    name: &str,
    against: &str,
    pictures: &Path,
    folder: &Path,
    settings: &RuntimeSettings,
) -> anyhow::Result<()> {
    let (candidate, reference) = (Model::find(name, folder)?, Model::find(against, folder)?);
    let runtime = Runtime::start(settings)?;
    let (ours, theirs) =
        (candidate.image_encoder(&runtime, BATCH)?, reference.image_encoder(&runtime, BATCH)?);
    let mut files = Vec::new();
    collect(pictures, MAX_DEPTH, &mut files)?;
    let detail = Detail::ShortSide(ours.side().max(theirs.side()));
    let report = gate::compare(&theirs, &ours, files.iter().filter_map(|file| read(file, detail)))?;
    line(&format!(
        "{} pictures: {:.2} % with a cosine of at least {}, least {:.4}, mean {:.5}",
        report.pictures,
        report.share_at_least_0_99 * 100.0,
        gate::MIN_COSINE,
        report.min,
        report.mean
    ))?;
    let record = gate::record(&reference, &candidate, &report)?;
    let place = candidate.folder().with_context(|| format!("{name} is built in"))?.join(gate::FILE);
    fs::write(&place, record).with_context(|| format!("{} cannot be written", place.display()))?;
    if !report.passes() {
        bail!(
            "{name} may not stand in for {against}: at least {} pictures are needed, and {} % of \
             them that near",
            gate::MIN_PICTURES,
            gate::MIN_SHARE * 100.0
        );
    }
    line(&format!("{name} may be served"))
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let unreadable = || format!("the folder {} cannot be read", folder.display());
    let mut entries = fs::read_dir(folder)
        .with_context(unreadable)?
        .collect::<Result<Vec<_>, _>>()
        .with_context(unreadable)?;
    // The same order on every file system.
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_type().with_context(unreadable)?.is_dir() {
            if depth > 0 {
                collect(&entry.path(), depth - 1, files)?;
            }
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// A decoded picture; `None` for any other file, which folders hold as well.
fn read(file: &Path, detail: Detail) -> Option<Picture> {
    let limits = PictureLimits::default();
    if fs::metadata(file).ok()?.len() > limits.max_bytes {
        return None;
    }
    decode(&fs::read(file).ok()?, &limits, detail)
        .inspect_err(|error| tracing::warn!(file = %file.display(), %error, "left out"))
        .ok()
}
