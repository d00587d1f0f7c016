//! The layout of a folder with a model, and the entry of the catalogue for its family.

use std::path::Path;

use serde_json::Value;

use crate::catalogue::{Entry, ImportHints, Layout, entries};

/// The layout of a folder, by the folders in it.
pub(super) fn layout_of(path: &Path) -> Result<Layout, String> {
    let has = |name: &str| path.join(name).exists();
    if has("visual/model.onnx") || has("textual/model.onnx") {
        return Ok(Layout::Immich);
    }
    if has("onnx") {
        return Ok(Layout::TransformersJs);
    }
    Err(String::from(
        "it holds neither `onnx/` (as repositories for transformers.js do) \
         nor `visual/` and `textual/` (as those for Immich do); write a model.toml by hand",
    ))
}

/// The entry of the catalogue for the family of a folder.
pub(super) fn find_pattern(
    layout: Layout,
    config: &Value,
) -> Result<(&'static Entry, &'static ImportHints), String> {
    let model_type = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let patterns = entries().iter().filter_map(|entry| Some((entry, entry.import.as_ref()?)));
    let of_layout: Vec<_> = patterns.filter(|(_, hints)| hints.layout == layout).collect();
    let found = of_layout
        .iter()
        .find(|(_, hints)| hints.model_type.is_empty() || hints.model_type == model_type);
    found.copied().ok_or_else(|| {
        let known: Vec<&str> =
            of_layout.iter().map(|(_, hints)| hints.model_type.as_str()).collect();
        format!(
            "its config.json has the model_type `{model_type}`, and only {} are known: \
             write a model.toml by hand",
            known.join(", ")
        )
    })
}
