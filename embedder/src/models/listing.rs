//! `list` and `show`: the models that are installed or known, and the details of one.

use std::path::Path;

use inference::catalogue::{self, Entry};
use inference::{Manifest, Model, Precision};
use serde_json::json;

use super::line;

/// Prints the models in the folder, then those that can be fetched.
pub(super) fn list(folder: &Path, as_json: bool) -> anyhow::Result<()> {
    let installed = inference::installed(folder);
    if as_json {
        let known: Vec<_> =
            catalogue::entries().iter().map(|entry| describe(entry, &installed)).collect();
        return line(&serde_json::to_string_pretty(
            &json!({ "folder": folder, "installed": installed, "catalogue": known }),
        )?);
    }
    line(&format!(
        "in {}: {}",
        folder.display(),
        if installed.is_empty() { "nothing yet".to_owned() } else { installed.join(", ") }
    ))?;
    line("can be fetched with `embedder models pull`:")?;
    for entry in catalogue::entries() {
        let towers = match (&entry.image, &entry.text) {
            (Some(_), Some(_)) => "pictures and words",
            (Some(_), None) => "pictures",
            _ => "words",
        };
        let gated = if entry.gated { ", gated" } else { "" };
        line(&format!(
            "  {:34} {:5} {towers:19} {:16} {}{gated}",
            entry.id,
            entry.dim,
            precisions(entry),
            entry.licence
        ))?;
    }
    Ok(())
}

/// Prints an installed model, or an entry of the catalogue.
pub(super) fn show(name: &str, folder: &Path) -> anyhow::Result<()> {
    if let Some(entry) = catalogue::find(name)
        && !folder.join(name).exists()
    {
        return line(&serde_json::to_string_pretty(&describe(
            entry,
            &inference::installed(folder),
        ))?);
    }
    let model = Model::find(name, folder)?;
    let Manifest { id, space, dim, licence, notice, demo, origin, precision, .. } = &model.manifest;
    let Manifest { files, image, text, .. } = &model.manifest;
    let image = image.as_ref();
    let image = image.map(|tower| json!({ "width": tower.width, "height": tower.height }));
    let text = text.as_ref().map(|tower| json!({ "max_len": tower.max_len }));
    let files = files
        .iter()
        .map(|file| json!({ "path": file.path, "bytes": file.bytes, "sha256": file.sha256 }));
    line(&serde_json::to_string_pretty(&json!({
        "id": id, "space": space, "dim": dim, "precision": precision, "licence": licence,
        "notice": notice, "demo": demo, "origin": origin, "manifest_hash": model.digest,
        "image": image, "text": text, "files": files.collect::<Vec<_>>(),
    }))?)
}

fn describe(entry: &Entry, installed: &[String]) -> serde_json::Value {
    let Entry { id, space, dim, licence, notice, gated, source, .. } = entry;
    json!({
        "id": id, "space": space, "dim": dim, "licence": licence, "notice": notice, "gated": gated,
        "repository": source.repo, "revision": source.revision, "precisions": precisions(entry),
        "image": entry.image.is_some(), "text": entry.text.is_some(),
        "installed": installed.contains(id),
    })
}

fn precisions(entry: &Entry) -> String {
    entry.precisions().into_iter().map(Precision::name).collect::<Vec<_>>().join(" ")
}
