//! The preparation of texts, from the folder's configuration.

use serde_json::Value;

use super::configs::FolderConfigs;
use super::contradiction::Contradiction;
use crate::catalogue::{ImportHints, Layout};
use crate::manifest::TextTower;

/// Overrides the pattern's tower with the folder's configuration.
pub(super) fn apply(
    tower: &mut TextTower,
    hints: &ImportHints,
    configs: &FolderConfigs,
    notes: &mut Vec<String>,
) -> Result<(), String> {
    let stated = configs.model.pointer(&hints.max_len).filter(|_| !hints.max_len.is_empty());
    match stated.and_then(Value::as_u64).and_then(|length| usize::try_from(length).ok()) {
        Some(length) => {
            tower.pad_to = if tower.pad_to == 0 { 0 } else { length };
            tower.max_len = length;
        }
        None if hints.max_len.is_empty() => {}
        None => notes.push(format!(
            "config.json has no {}: `max_len` is {}, check it.",
            hints.max_len, tower.max_len
        )),
    }

    let pad = configs.tokenizer.get("pad_token");
    let pad = pad.and_then(|pad| pad.as_str().or_else(|| pad.get("content")?.as_str()));
    match pad.and_then(|pad| configs.token_id(pad)) {
        Some(id) => tower.pad_id = id,
        None => notes.push(format!(
            "The padding token is not in tokenizer_config.json and tokenizer.json: \
             `pad_id` is {}, check it, for a wrong one gives wrong vectors without any error.",
            tower.pad_id
        )),
    }

    if configs.layout == Layout::Immich {
        match configs.model.pointer("/text_cfg/tokenizer_kwargs/clean").and_then(Value::as_str) {
            None => {}
            Some("canonicalize") => tower.canonicalize = true,
            Some("lower") => (tower.lowercase, tower.collapse_whitespace) = (true, true),
            Some("whitespace") => (tower.lowercase, tower.collapse_whitespace) = (false, true),
            Some(other) => {
                return Err(format!(
                    "config.json wants texts cleaned by `{other}`, which is not supported: \
                     write a model.toml by hand"
                ));
            }
        }
    }
    Ok(())
}

/// Where the tokenizer's configuration contradicts a tower in what only tokenizers decide: the
/// greatest number of tokens, and lower case.
pub(super) fn contradictions(tower: &TextTower, configs: &FolderConfigs) -> Vec<Contradiction> {
    let file = configs.tokenizer_file();
    let mut found = Vec::new();
    // Many tokenizers state a number far above that of their model.
    let longest = configs.tokenizer.get("model_max_length").and_then(Value::as_f64);
    if let Some(longest) = longest.filter(|longest| *longest < tower.max_len as f64) {
        let ours = Value::from(tower.max_len);
        found.push(Contradiction::new("[text] max_len", &ours, &Value::from(longest as u64), file));
    }
    let lower = configs.tokenizer.get("do_lower_case").and_then(Value::as_bool);
    let ours = tower.lowercase || tower.canonicalize;
    if let Some(lower) = lower
        && lower != ours
        && !makes_lower_case(configs.vocabulary.get("normalizer").unwrap_or(&Value::Null))
    {
        let [ours, lower] = [ours, lower].map(Value::from);
        found.push(Contradiction::new("[text] lowercase", &ours, &lower, file));
    }
    found
}

/// Whether the normalizer of a `tokenizer.json` makes texts lower case itself.
fn makes_lower_case(normalizer: &Value) -> bool {
    let steps = normalizer.get("normalizers").and_then(Value::as_array);
    match normalizer.get("type").and_then(Value::as_str) {
        Some("Lowercase") => true,
        Some("BertNormalizer") => {
            normalizer.get("lowercase").and_then(Value::as_bool).unwrap_or(true)
        }
        Some("Sequence") => steps.into_iter().flatten().any(makes_lower_case),
        _ => false,
    }
}
