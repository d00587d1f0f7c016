//! What a model wrote, read leniently, but never into a caption that is none.

use serde_json::{Map, Value};

use super::{Described, declined, keywords, object, prompt, sentence, thinking};

/// Names of the field with a caption.
const CAPTION: &[&str] = &["caption", "captions", "description", "descriptions"];

/// Why there is no caption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unread {
    /// Nothing, or nothing but politeness.
    Empty,
    /// The model does not want to, or sees no picture.
    Refused,
    /// Not the answer that was asked for: what is wrong.
    Malformed(String),
}

/// Reads an answer: captions in all `languages`, and keywords if there are any.
pub(super) fn read(text: &str, languages: &[String]) -> Result<Described, Unread> {
    let text = thinking::without_thinking(text);
    let holds_captions = |object: &Map<String, Value>| {
        languages.iter().any(|language| caption(object, language, languages).is_some())
    };
    match object::last_object(&text, holds_captions) {
        Some(object) => of_object(&object, languages),
        None => of_text(&text, languages),
    }
}

fn of_object(object: &Map<String, Value>, languages: &[String]) -> Result<Described, Unread> {
    let mut captions = Vec::with_capacity(languages.len());
    for language in languages {
        let Some(text) = caption(object, language, languages) else {
            return Err(Unread::Malformed(format!("there is no caption in `{language}`")));
        };
        captions.push((language.clone(), checked(text, language)?));
    }
    Ok(Described { captions, keywords: keywords::of_object(object) })
}

/// The caption in a language, under any of the names models give it.
fn caption<'a>(
    object: &'a Map<String, Value>,
    language: &str,
    languages: &[String],
) -> Option<&'a str> {
    let mut codes = prompt::names(language);
    codes.push(bare(language));
    let main = language.split('-').next().unwrap_or_default();
    let exact = |key: &str| codes.iter().any(|code| code == key);
    // "zh-CN" where "zh" was asked for, and the other way round.
    let near = |key: &str| key == main || main == "zh" && key.starts_with(main);
    let alone = || {
        let strings = object.iter().filter_map(|(key, value)| Some((key, value.as_str()?)));
        strings
            .filter(|_| languages.len() == 1)
            .find(|(key, _)| CAPTION.contains(&bare(key).as_str()))
            .map(|(_, text)| text)
    };
    field(object, &exact).or_else(|| field(object, &near)).or_else(alone)
}

/// `en`, `caption_en`, or `en` inside `captions`, for the language that `is` accepts.
fn field<'a>(object: &'a Map<String, Value>, is: &impl Fn(&str) -> bool) -> Option<&'a str> {
    object.iter().find_map(|(key, value)| {
        let key = bare(key);
        match value {
            Value::String(text)
                if is(&key)
                    || CAPTION.iter().any(|name| key.strip_prefix(name).is_some_and(is)) =>
            {
                Some(text.as_str())
            }
            Value::Object(inner) if CAPTION.contains(&key.as_str()) => {
                inner.iter().find_map(|(key, value)| value.as_str().filter(|_| is(&bare(key))))
            }
            _ => None,
        }
    })
}

/// Letters and digits alone, in lower case.
fn bare(key: &str) -> String {
    key.chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// A plain sentence, where only one language is asked for; a line with keywords may stand beside
/// it.
fn of_text(text: &str, languages: &[String]) -> Result<Described, Unread> {
    if declined::is_refusal(text) {
        return Err(Unread::Refused);
    }
    let mut listed = Vec::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        match keywords::of_line(line) {
            Some(words) => listed = words,
            None => lines.push(line),
        }
    }
    // The first paragraph that says anything.
    let said = lines
        .join("\n")
        .split("\n\n")
        .map(sentence::tidy)
        .find(|paragraph| !paragraph.is_empty())
        .unwrap_or_default();
    if said.is_empty() {
        return Err(Unread::Empty);
    }
    let [language] = languages else {
        return Err(Unread::Malformed(String::from("there is no JSON object with the captions")));
    };
    if !is_sentence(text, &said) {
        return Err(Unread::Malformed(String::from(
            "it is neither the JSON object asked for nor a sentence",
        )));
    }
    Ok(Described {
        captions: vec![(language.clone(), checked(&said, language)?)],
        keywords: listed,
    })
}

/// Whether a text without an object can be a caption: broken JSON, pages, errors and single words
/// cannot.
fn is_sentence(text: &str, said: &str) -> bool {
    let lower = said.to_lowercase();
    let error = [
        "error",
        "internal server error",
        "bad gateway",
        "service unavailable",
        "traceback",
        "exception",
        "http",
        "null",
        "undefined",
    ]
    .iter()
    .any(|beginning| lower.starts_with(beginning));
    let several = said.split_whitespace().count() > 1
        || said.chars().filter(|c| !c.is_ascii() && c.is_alphabetic()).count() > 1;
    !error
        && several
        && !text.contains(['{', '}'])
        && !text.trim_start().starts_with('<')
        && !lower.contains("</")
}

/// A caption, tidied, that is one and in its language.
fn checked(text: &str, language: &str) -> Result<String, Unread> {
    if declined::is_refusal(text) {
        return Err(Unread::Refused);
    }
    let tidied = sentence::tidy(text);
    if tidied.is_empty() {
        return Err(Unread::Empty);
    }
    if declined::is_refusal(&tidied) {
        return Err(Unread::Refused);
    }
    if is_placeholder(&tidied) {
        return Err(Unread::Malformed(format!(
            "the caption in `{language}` only repeats the question"
        )));
    }
    if !sentence::can_be(&tidied, language) {
        return Err(Unread::Malformed(format!(
            "the caption in `{language}` is in another language"
        )));
    }
    Ok(tidied)
}

/// "one sentence in English": the shape, given back unfilled.
fn is_placeholder(text: &str) -> bool {
    let lower = text.to_lowercase();
    lower.starts_with("one sentence in ") && lower.split_whitespace().count() <= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn languages(codes: &[&str]) -> Vec<String> {
        codes.iter().map(|code| (*code).to_owned()).collect()
    }

    fn both(text: &str) -> Result<(String, String, Vec<String>), Unread> {
        let Described { captions, keywords } = read(text, &languages(&["zh", "en"]))?;
        let [(first, zh), (second, en)] = captions.try_into().unwrap();
        assert_eq!((first.as_str(), second.as_str()), ("zh", "en"));
        Ok((en, zh, keywords))
    }

    fn english(text: &str) -> Result<String, Unread> {
        Ok(read(text, &languages(&["en"]))?.captions.remove(0).1)
    }

    #[test]
    fn both_languages_in_any_dress() {
        for text in [
            r#"{"caption_en": "A cat.", "caption_zh": "一只猫。", "keywords": ["cat", "猫"]}"#,
            "```json\n{\"caption_en\": \"A cat.\", \"caption_zh\": \"一只猫。\", \"keywords\": [\"cat\", \"猫\",],}\n```\nEnjoy!",
            r#"Sure! {"Caption_EN": "The image shows a cat.", "captionZh": "这张图片展示了一只猫。", "Keywords": "cat, 猫"}"#,
            r#"<think>{"caption_en": "A dog."}</think>{"en": "A cat.", "zh": "一只猫。", "tags": ["cat", "猫"]}"#,
            r#"{"captions": {"English": "A cat.", "Chinese": "一只猫。"}, "keywords": {"en": ["cat"], "zh": ["猫"]}}"#,
            r#"{"result": {"caption_english": "“A cat.”", "caption_zh-CN": "一只猫。", "keywords": ["cat", "猫"]}}"#,
        ] {
            let wanted = (
                String::from("A cat."),
                String::from("一只猫。"),
                vec![String::from("cat"), String::from("猫")],
            );
            assert_eq!(both(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn no_caption_is_better_than_a_wrong_one() {
        for text in [
            r#"{"caption_en": "A cat."}"#,
            r#"{"caption_en": "A cat.", "caption_zh": 7}"#,
            r#"{"caption_en": "A cat.", "caption_zh": "A cat."}"#,
            r#"{"caption_en": "一只猫。", "caption_zh": "一只猫。"}"#,
            r#"{"caption_en": "one sentence in English", "caption_zh": "一只猫。"}"#,
            r#"{"caption_en": "A cat.", "caption_zh": "一只"#,
            r#"{"error": "out of memory"}"#,
            "A cat.",
            "<html><body>Welcome</body></html>",
        ] {
            assert!(matches!(both(text), Err(Unread::Malformed(_))), "{text}: {:?}", both(text));
        }
        for text in [
            "",
            " \n",
            "Sure!",
            "Here is the JSON:",
            r#"{"caption_en": "", "caption_zh": "一只猫。"}"#,
            "<think>A cat",
            "```json\n```",
        ] {
            assert_eq!(both(text), Err(Unread::Empty), "{text}");
        }
        for text in [
            "I'm sorry, I can't help with that.",
            "抱歉，我无法描述这张图片。",
            r#"{"caption_en": "I'm sorry, I can't describe this image.", "caption_zh": "抱歉"}"#,
        ] {
            assert_eq!(both(text), Err(Unread::Refused), "{text}");
        }
    }

    #[test]
    fn one_language_may_come_as_a_plain_sentence() {
        for (text, wanted) in [
            ("A cat on a sofa.", "A cat on a sofa."),
            (
                "Here's a description of the image:\n\nA cat on a sofa.\n\nThe sofa is red.",
                "A cat on a sofa.",
            ),
            ("**Caption:** A cat on a sofa.\n**Keywords:** cat, sofa", "A cat on a sofa."),
            (r#"{"caption": "A cat on a sofa."}"#, "A cat on a sofa."),
            (r#"{"description": "the image shows a cat"}"#, "the image shows a cat"),
        ] {
            let wanted = wanted.replace("the image shows a cat", "A cat");
            assert_eq!(english(text).as_ref(), Ok(&wanted), "{text}");
        }
        let keywords =
            read("A cat on a sofa.\nKeywords: cat, sofa", &languages(&["en"])).unwrap().keywords;
        assert_eq!(keywords, ["cat", "sofa"]);
        let chinese = read("一只猫坐在沙发上。", &languages(&["zh"])).unwrap();
        assert_eq!(chinese.captions, [(String::from("zh"), String::from("一只猫坐在沙发上。"))]);
    }

    #[test]
    fn pages_and_errors_are_no_sentences() {
        for text in [
            "<!DOCTYPE html><html><body>Bad gateway, please wait</body></html>",
            "Internal Server Error",
            "Error: model is loading",
            "{\"caption_en\": \"A cat",
            "cat",
            "Traceback (most recent call last): …",
            "一只猫坐在沙发上。",
        ] {
            assert!(
                matches!(english(text), Err(Unread::Malformed(_))),
                "{text}: {:?}",
                english(text)
            );
        }
    }
}
