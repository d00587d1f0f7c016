//! What is asked about a picture, and in which shape the answer has to come.

use std::fmt::Write;

/// Languages by code, in English and in themselves; what models call the keys of their answers by.
const LANGUAGES: &[(&str, &str, &str)] = &[
    ("ar", "Arabic", "العربية"),
    ("de", "German", "Deutsch"),
    ("en", "English", "English"),
    ("es", "Spanish", "Español"),
    ("fr", "French", "Français"),
    ("it", "Italian", "Italiano"),
    ("ja", "Japanese", "日本語"),
    ("ko", "Korean", "한국어"),
    ("pt", "Portuguese", "Português"),
    ("ru", "Russian", "Русский"),
    ("zh", "Simplified Chinese", "中文"),
];

const TASK: &str = "Describe this picture for people who will search for it. Say only what can be seen: the main things and \
                    what they do, where, and their colours. Do not guess names, dates or intentions, and do not begin with \
                    \"The image shows\".";

/// The English name of a language; its code where it has none here.
pub(super) fn english_name(code: &str) -> &str {
    LANGUAGES.iter().find(|(known, ..)| *known == code).map_or(code, |(_, name, _)| name)
}

/// Other words for a language that an answer may use for it, in lower case.
pub(super) fn names(code: &str) -> Vec<String> {
    let Some((_, english, own)) = LANGUAGES.iter().find(|(known, ..)| *known == code) else {
        return Vec::new();
    };
    let short = english.rsplit(' ').next().unwrap_or(english);
    vec![short.to_lowercase(), own.to_lowercase()]
}

/// The whole text: `task`, or the built-in one where it is empty, and the shape of the answer.
pub(super) fn prompt(task: &str, languages: &[String]) -> String {
    let task = if task.trim().is_empty() { TASK } else { task.trim() };
    let mut text = format!("{task}\n\nAnswer with one JSON object and nothing else:\n{{");
    let mut named = Vec::new();
    for language in languages {
        let name = english_name(language);
        // Writing to a String cannot fail.
        let _ = write!(text, "\"caption_{language}\": \"one sentence in {name}\", ");
        named.push(name);
    }
    let _ = write!(
        text,
        "\"keywords\": [\"5 to 15 single words or short names, each in {}\"]}}",
        named.join(" and in ")
    );
    text
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

    #[test]
    fn names_are_lower_case() {
        assert_eq!(names("zh"), ["chinese", "中文"]);
        assert!(names("xx").is_empty());
    }
}
