//! What is asked about a picture: the words of the prompt, and the shape of the answer as a JSON
//! schema.

use std::fmt::Write;

use serde_json::{Map, Value, json};

/// Languages by code, in English.
const LANGUAGES: &[(&str, &str)] = &[
    ("ar", "Arabic"),
    ("de", "German"),
    ("en", "English"),
    ("es", "Spanish"),
    ("fr", "French"),
    ("it", "Italian"),
    ("ja", "Japanese"),
    ("ko", "Korean"),
    ("pt", "Portuguese"),
    ("ru", "Russian"),
    ("zh", "Simplified Chinese"),
];

const TASK: &str = "Describe this picture for people who will search for it. Say only what can be \
                    seen: the main things and what they do, where, and their colours. Do not guess \
                    names, dates or intentions, and do not begin with \"The image shows\".";

/// The field of the answer with the caption in this language.
pub(super) fn caption_field(language: &str) -> String {
    format!("caption_{language}")
}

/// What the prompt shows as the value of that field.
pub(super) fn caption_placeholder(language: &str) -> String {
    format!("one sentence in {}", english_name(language))
}

/// The English name of a language; its code if the name is unknown.
fn english_name(code: &str) -> &str {
    LANGUAGES.iter().find(|(known, _)| *known == code).map_or(code, |(_, name)| name)
}

/// The whole prompt: `task`, or the built-in one if it is empty, and the shape of the answer. The
/// shape is in words too, because some endpoints do not know `response_format` or ignore it.
pub(super) fn prompt(task: &str, languages: &[String]) -> String {
    let task = if task.trim().is_empty() { TASK } else { task.trim() };
    let mut text = format!("{task}\n\nAnswer with one JSON object and nothing else:\n{{");
    for language in languages {
        let (field, value) = (caption_field(language), caption_placeholder(language));
        // Writing to a String cannot fail.
        let _ = write!(text, "\"{field}\": \"{value}\", ");
    }
    let names: Vec<_> = languages.iter().map(|language| english_name(language)).collect();
    let _ = write!(
        text,
        "\"keywords\": [\"5 to 15 single words or short names, each in {}\"]}}",
        names.join(" and in ")
    );
    text
}

/// `response_format` of a request. The schema uses only what strict mode allows everywhere: every
/// field required, no further fields, no limits.
pub(super) fn response_format(languages: &[String]) -> Value {
    let captions = languages.iter().map(|language| caption_field(language));
    let mut properties: Map<String, Value> =
        captions.map(|field| (field, json!({"type": "string"}))).collect();
    let keywords = json!({"type": "array", "items": {"type": "string"}});
    properties.insert(String::from("keywords"), keywords);
    let required: Vec<_> = properties.keys().cloned().collect();
    json!({
        "type": "json_schema",
        "json_schema": {
            "name": "picture_description",
            "strict": true,
            "schema": {
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": false,
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn languages(codes: &[&str]) -> Vec<String> {
        codes.iter().map(|code| (*code).to_owned()).collect()
    }

    #[test]
    fn every_language_is_asked_for() {
        let text = prompt("", &languages(&["zh", "en", "xx"]));
        for part in [
            "\"caption_zh\"",
            "\"caption_en\"",
            "\"caption_xx\"",
            "Simplified Chinese and in English and in xx",
            TASK,
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_task_of_ones_own_keeps_the_shape() {
        let text = prompt(" What is on the plate? ", &languages(&["en"]));
        assert!(
            text.starts_with("What is on the plate?\n")
                && text.contains("JSON")
                && !text.contains(TASK),
            "{text}"
        );
    }

    /// The prompt's hash stands in every row: another text makes all captions outdated.
    #[test]
    fn the_built_in_text_stays_as_it_is() {
        let wanted = "Answer with one JSON object and nothing else:\n\
            {\"caption_en\": \"one sentence in English\", \
            \"caption_zh\": \"one sentence in Simplified Chinese\", \
            \"keywords\": [\"5 to 15 single words or short names, each in English and in \
            Simplified Chinese\"]}";
        assert_eq!(prompt("", &languages(&["en", "zh"])), format!("{TASK}\n\n{wanted}"));
    }

    #[test]
    fn the_schema_requires_every_field_and_no_other() {
        let format = response_format(&languages(&["zh", "en"]));
        assert_eq!(format["type"], "json_schema");
        let json_schema = &format["json_schema"];
        assert_eq!((&json_schema["strict"], json_schema["name"].is_string()), (&true.into(), true));
        let schema = &json_schema["schema"];
        assert_eq!(schema["additionalProperties"], false);
        let fields = schema["properties"].as_object().unwrap();
        let mut required: Vec<_> =
            schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        required.sort_unstable();
        assert_eq!(required, ["caption_en", "caption_zh", "keywords"]);
        assert_eq!(fields.len(), required.len());
        assert_eq!(fields["caption_zh"]["type"], "string");
        assert_eq!(fields["keywords"]["items"]["type"], "string");
    }
}
