//! Keywords of an answer, in any shape a model gives them.

use serde_json::{Map, Value};

/// Most keywords of one picture.
const MOST: usize = 30;
/// Longest keyword, in characters: a longer one is a sentence.
const MOST_CHARACTERS: usize = 40;

/// Beginnings of the key or line that holds them.
const NAMES: &[&str] = &["keyword", "tag", "关键词", "关键字", "标签"];

/// What models write where there is none.
const NOTHING: &[&str] = &["none", "n/a", "null", "unknown", "无", "没有"];

/// All keywords of an object: `keywords`, `Tags`, `keywords_en`; lists, texts with commas, or both
/// by language.
pub(super) fn of_object(object: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in object {
        if is_name(key) {
            collect(value, &mut found, 3);
        }
    }
    found
}

/// Keywords of a line such as `Keywords: cat, sofa`.
pub(super) fn of_line(line: &str) -> Option<Vec<String>> {
    let (name, list) = line.trim_start_matches(['*', '#', '-', ' ']).split_once([':', '：'])?;
    if !is_name(name.trim_matches(['*', ' '])) {
        return None;
    }
    let mut found = Vec::new();
    split(list, &mut found);
    Some(found)
}

fn is_name(key: &str) -> bool {
    let key = key.trim().to_lowercase();
    key.chars().count() <= 30 && NAMES.iter().any(|name| key.starts_with(name))
}

fn collect(value: &Value, found: &mut Vec<String>, depth: u32) {
    match value {
        Value::String(text) => split(text, found),
        _ if depth == 0 => {}
        Value::Array(values) => values.iter().for_each(|value| collect(value, found, depth - 1)),
        Value::Object(object) => object.values().for_each(|value| collect(value, found, depth - 1)),
        _ => {}
    }
}

fn split(text: &str, found: &mut Vec<String>) {
    for word in text.split([',', '，', '、', ';', '；', '\n', '|']) {
        let word = unnumbered(word.trim())
            .trim_matches(|c: char| c.is_whitespace() || "\"'`*_-•.。#“”‘’「」[]".contains(c));
        let usable =
            word.chars().any(char::is_alphanumeric) && word.chars().count() <= MOST_CHARACTERS;
        let lower = word.to_lowercase();
        if usable
            && found.len() < MOST
            && !NOTHING.contains(&lower.as_str())
            && !found.iter().any(|known| known.to_lowercase() == lower)
        {
            found.push(word.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
}

/// Without the number of a list: "1. cat", "2) sofa".
fn unnumbered(text: &str) -> &str {
    match text.split_once(['.', ')']) {
        Some((number, rest))
            if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            rest
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_shape_is_read() {
        for (value, wanted) in [
            (json!({"keywords": ["cat", " red sofa ", "Cat", ""]}), vec!["cat", "red sofa"]),
            (json!({"Keywords": "cat, sofa；猫、沙发"}), vec!["cat", "sofa", "猫", "沙发"]),
            (json!({"tags": ["#cat", "\"sofa\".", "**sun**"]}), vec!["cat", "sofa", "sun"]),
            (json!({"keywords_en": ["cat"], "keywords_zh": ["猫"]}), vec!["cat", "猫"]),
            (json!({"keywords": {"en": ["cat"], "zh": "猫"}}), vec!["cat", "猫"]),
            (json!({"keywords": [{"en": "cat", "zh": "猫"}]}), vec!["cat", "猫"]),
            (json!({"关键词": ["猫"]}), vec!["猫"]),
            (json!({"keywords": "1. cat\n2) sofa\n- 3D print"}), vec!["cat", "sofa", "3D print"]),
            (json!({"keywords": ["none", "1984", 7, null, "x".repeat(41)]}), vec!["1984"]),
            (json!({"caption": "a cat"}), vec![]),
        ] {
            let mut found = of_object(value.as_object().unwrap());
            found.sort_by_key(|word| wanted.iter().position(|wanted| wanted == word));
            assert_eq!(found, wanted, "{value}");
        }
    }

    #[test]
    fn there_is_a_limit() {
        let many: Vec<String> = (0..100).map(|number| format!("word{number}")).collect();
        assert_eq!(of_object(json!({"keywords": many}).as_object().unwrap()).len(), MOST);
    }

    #[test]
    fn lines_are_read() {
        assert_eq!(of_line("**Keywords:** cat, sofa").unwrap(), ["cat", "sofa"]);
        assert_eq!(of_line("关键词：猫、沙发").unwrap(), ["猫", "沙发"]);
        assert_eq!(of_line("A cat: a portrait"), None);
        assert_eq!(of_line("A cat"), None);
    }
}
