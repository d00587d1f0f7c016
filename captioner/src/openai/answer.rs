//! How the text of an answer is read.
//!
//! Three rules. First, thinking and a code fence around the answer are removed. Second, the rest
//! must be the JSON object that was asked for. Third, if one language is asked for, one plain
//! sentence is accepted as its caption. Everything else is an error, and the model is asked again
//! later: a retry is cheaper than a list of everything models may say.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::answer_text::{begins_in_first_person, is_plain_sentence, tidy, usable_keywords};
use super::language::can_be;
use super::prompt::{caption_field, caption_placeholder};
use super::wrapping::{without_fence, without_thinking};
use crate::description::Description;

/// Why an answer holds no description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AnswerError {
    /// The answer or one of its captions is empty.
    Empty,
    /// The answer is not what was asked for: what is wrong.
    Malformed(String),
}

/// The object asked for. Further fields are ignored, because only strict endpoints forbid them.
#[derive(Deserialize)]
#[serde(expecting = "an object with captions and keywords")]
struct AnswerObject {
    #[serde(default)]
    keywords: Vec<String>,
    #[serde(flatten)]
    captions: Map<String, Value>,
}

/// Reads an answer: a caption in each of `languages`, and keywords if there are any.
///
/// # Errors
/// The answer is empty or not what was asked for.
pub(super) fn read(text: &str, languages: &[String]) -> Result<Description, AnswerError> {
    let text = without_fence(without_thinking(text));
    if text.is_empty() {
        return Err(AnswerError::Empty);
    }
    match (serde_json::from_str::<AnswerObject>(text), languages) {
        (Ok(object), _) => of_object(&object, languages),
        (Err(_), [language]) if is_plain_sentence(text) => Ok(Description {
            captions: vec![(language.clone(), checked(text, language)?)],
            keywords: Vec::new(),
        }),
        (Err(error), _) => {
            Err(AnswerError::Malformed(format!("it is not the JSON object asked for ({error})")))
        }
    }
}

fn of_object(object: &AnswerObject, languages: &[String]) -> Result<Description, AnswerError> {
    let mut captions = Vec::with_capacity(languages.len());
    for language in languages {
        let Some(text) = object.captions.get(&caption_field(language)).and_then(Value::as_str)
        else {
            return Err(AnswerError::Malformed(format!("there is no caption in `{language}`")));
        };
        captions.push((language.clone(), checked(text, language)?));
    }
    Ok(Description { captions, keywords: usable_keywords(&object.keywords) })
}

/// A caption that says something about the picture, in its language.
fn checked(text: &str, language: &str) -> Result<String, AnswerError> {
    let caption = tidy(text);
    let wrong =
        |problem| Err(AnswerError::Malformed(format!("the caption in `{language}` {problem}")));
    if caption.is_empty() {
        return Err(AnswerError::Empty);
    }
    if caption.trim_end_matches('.').eq_ignore_ascii_case(&caption_placeholder(language)) {
        return wrong("only repeats the prompt");
    }
    if begins_in_first_person(&caption) {
        return wrong("speaks of its writer");
    }
    if !can_be(&caption, language) {
        return wrong("is in another language");
    }
    Ok(caption)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAT: &str =
        r#"{"caption_en": "A cat.", "caption_zh": "一只猫。", "keywords": ["cat", "猫"]}"#;

    fn languages(codes: &[&str]) -> Vec<String> {
        codes.iter().map(|code| (*code).to_owned()).collect()
    }

    fn both(text: &str) -> Result<Description, AnswerError> {
        read(text, &languages(&["zh", "en"]))
    }

    fn english(text: &str) -> Result<String, AnswerError> {
        Ok(read(text, &languages(&["en"]))?.captions.remove(0).1)
    }

    fn assert_malformed(text: &str, part: &str) {
        match both(text) {
            Err(AnswerError::Malformed(why)) => assert!(why.contains(part), "{text}: {why}"),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_object_is_read_in_the_order_of_the_languages() {
        let wanted = Description {
            captions: vec![
                (String::from("zh"), String::from("一只猫。")),
                (String::from("en"), String::from("A cat.")),
            ],
            keywords: vec![String::from("cat"), String::from("猫")],
        };
        assert_eq!(both(CAT), Ok(wanted));
    }

    #[test]
    fn thinking_and_a_fence_around_it_are_removed() {
        for text in [
            format!("```json\n{CAT}\n```"),
            format!("<think>{{\"caption_en\": \"A dog.\"}}</think>{CAT}"),
            format!("a dog?</think>\n```\n{CAT}\n```\n"),
        ] {
            assert_eq!(both(&text), both(CAT), "{text}");
        }
    }

    #[test]
    fn further_fields_are_ignored_and_keywords_may_be_missing() {
        let text = r#"{"caption_en": "A cat.", "confidence": 0.9}"#;
        assert_eq!(english(text), Ok(String::from("A cat.")));
        assert!(read(text, &languages(&["en"])).unwrap().keywords.is_empty());
    }

    #[test]
    fn an_object_of_another_shape_is_malformed() {
        for (text, part) in [
            (r#"{"caption_en": "A cat."}"#, "no caption in `zh`"),
            (r#"{"caption_en": "A cat.", "caption_zh": 7}"#, "no caption in `zh`"),
            (r#"{"en": "A cat.", "zh": "一只猫。"}"#, "no caption in `zh`"),
            (r#"{"captions": {"en": "A cat.", "zh": "一只猫。"}}"#, "no caption in `zh`"),
            (r#"{"caption_zh": "一只猫。", "caption_en": "A.", "keywords": "cat"}"#, "sequence"),
            (r#"{"error": "out of memory"}"#, "no caption in `zh`"),
            (r#"[{"caption_en": "A cat."}]"#, "an object with captions"),
        ] {
            assert_malformed(text, part);
        }
    }

    #[test]
    fn no_caption_is_better_than_a_wrong_one() {
        for (en, zh, part) in [
            ("A cat.", "A cat.", "`zh` is in another language"),
            ("一只猫。", "一只猫。", "`en` is in another language"),
            ("one sentence in English.", "一只猫。", "`en` only repeats the prompt"),
            ("I'm sorry, I can't describe this.", "一只猫。", "`en` speaks of its writer"),
            ("A cat.", "我无法描述这张图片。", "`zh` speaks of its writer"),
        ] {
            assert_malformed(&format!(r#"{{"caption_en": "{en}", "caption_zh": "{zh}"}}"#), part);
        }
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        for text in [
            r#"{"caption_en": "A cat.", "caption_zh": "一只"#,
            r#"{"caption_en": "A cat.", "caption_zh": "一只猫。",}"#,
            r#"Sure! {"caption_en": "A cat.", "caption_zh": "一只猫。"}"#,
            "A cat.",
            "Sure!",
            "Here is the JSON:",
            "I'm sorry, I can't help with that.",
            "抱歉，我无法描述这张图片。",
            "<html><body>Welcome</body></html>",
        ] {
            assert_malformed(text, "not the JSON object");
        }
    }

    #[test]
    fn an_answer_or_a_caption_without_a_word_is_empty() {
        for text in [
            "",
            " \n",
            r#"{"caption_en": "", "caption_zh": "一只猫。"}"#,
            r#"{"caption_zh": "…", "caption_en": "A cat."}"#,
            "<think>A cat",
            "```json\n```",
        ] {
            assert_eq!(both(text), Err(AnswerError::Empty), "{text}");
        }
    }

    #[test]
    fn one_language_may_come_as_a_plain_sentence() {
        for text in ["A cat on a sofa.", "<think>a dog?</think>A cat on a sofa.\n"] {
            assert_eq!(english(text), Ok(String::from("A cat on a sofa.")), "{text}");
        }
        let chinese = read("一只猫坐在沙发上。", &languages(&["zh"])).unwrap();
        assert_eq!(chinese.captions, [(String::from("zh"), String::from("一只猫坐在沙发上。"))]);
        assert!(chinese.keywords.is_empty());
    }

    #[test]
    fn anything_but_a_plain_sentence_is_malformed() {
        for text in [
            "<!DOCTYPE html><html><body>Bad gateway, please wait</body></html>",
            "Internal Server Error",
            "{\"caption_en\": \"A cat",
            "cat",
            "Here's a description of the image:\n\nA cat on a sofa.",
            "**Caption:** A cat on a sofa.",
            "I'm sorry, I can't describe people.",
            "Traceback (most recent call last): …",
            "一只猫坐在沙发上。",
        ] {
            let result = english(text);
            assert!(matches!(result, Err(AnswerError::Malformed(_))), "{text}: {result:?}");
        }
    }
}
