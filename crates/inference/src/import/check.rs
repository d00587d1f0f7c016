//! Compares an entry of the catalogue with the configuration of its repository.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::configs::FolderConfigs;
use super::contradiction::Contradiction;
use super::patterns::find_pattern;
use super::{pictures, texts};
use crate::catalogue::{Entry, ImportHints};

/// Compares an entry with the configuration files of its repository in a folder
/// ([`Entry::config_files`], and the tokenizer). Values that no file states are not compared.
///
/// # Errors
/// One sentence: a file is no JSON, or asks for something that no manifest can say.
pub fn check(folder: &Path, entry: &Entry) -> Result<Vec<Contradiction>, String> {
    let configs = FolderConfigs::load(folder, entry.layout())?;
    let hints = find_pattern(configs.layout, &configs.model).ok().map(|(_, hints)| hints);
    let mut found = Vec::new();
    if let Some(dim) = hints.and_then(|hints| configs.model.pointer(&hints.dim)?.as_u64())
        && dim != entry.dim as u64
    {
        found.push(Contradiction::new(
            "dim",
            &Value::from(entry.dim),
            &Value::from(dim),
            "config.json",
        ));
    }
    if let Some(tower) = &entry.image {
        let mut stated = tower.clone();
        pictures::apply(&mut stated, &configs.picture, &mut Vec::new())?;
        compare("image", tower, &stated, |_| configs.picture.file, &mut found);
    }
    if let Some(tower) = &entry.text {
        let (unknown, mut stated) = (ImportHints::none(configs.layout), tower.clone());
        texts::apply(&mut stated, hints.unwrap_or(&unknown), &configs, &mut Vec::new())?;
        let file = |field: &str| match field {
            "pad_id" => configs.tokenizer_file(),
            _ => "config.json",
        };
        compare("text", tower, &stated, file, &mut found);
        found.extend(texts::contradictions(tower, &configs));
    }
    Ok(found)
}

/// Adds the keys in which two towers differ.
fn compare<T: Serialize>(
    section: &str,
    entry: &T,
    stated: &T,
    file: impl Fn(&str) -> &'static str,
    found: &mut Vec<Contradiction>,
) {
    let (entry, stated) = (fields(entry), fields(stated));
    let extra = stated.keys().filter(|key| !entry.contains_key(*key));
    for key in entry.keys().chain(extra) {
        let [ours, theirs] =
            [&entry, &stated].map(|fields| fields.get(key).unwrap_or(&Value::Null));
        if !is_same(ours, theirs) {
            found.push(Contradiction::new(&format!("[{section}] {key}"), ours, theirs, file(key)));
        }
    }
}

fn fields<T: Serialize>(tower: &T) -> Map<String, Value> {
    match serde_json::to_value(tower) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// Whether two values are the same within the precision of what people write down.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| is_same(a, b))
        }
        (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => (one - other).abs() <= 1e-5 * one.abs().max(other.abs()),
            _ => one == other,
        },
        _ => one == other,
    }
}
