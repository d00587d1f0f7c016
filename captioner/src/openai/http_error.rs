//! Answers with an HTTP error: what each status means, and what an operator can do.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::completion::error_message;
use super::outcome::ExchangeOutcome;
use super::settings::KEY_VARIABLE;

/// Longest error text that is repeated, in characters.
const MOST_ERROR_CHARACTERS: usize = 300;
/// Longest word of an error that is repeated, in characters: some endpoints repeat the whole
/// request with its picture.
const LONGEST_WORD: usize = 100;

/// Parts of error texts that do not blame the picture, and what to do about each.
const NOT_THE_PICTURE: &[(&str, &str)] = &[
    ("response_format", NO_SCHEMA),
    ("json_schema", NO_SCHEMA),
    ("json_object", NO_SCHEMA),
    ("json schema", NO_SCHEMA),
    ("structured output", NO_SCHEMA),
    ("grammar", NO_SCHEMA),
    ("max_tokens", "set openai.max_tokens to what the model takes, or to 0"),
    ("max_completion_tokens", "set openai.max_tokens to 0"),
    ("not a multimodal", SEES),
    ("support image", SEES),
    ("support vision", SEES),
    ("image input is not supported", SEES),
    ("only supported by certain models", SEES),
    ("unknown variant `image_url`", SEES),
    ("at most 0 image", SEES),
    ("model_not_found", "set openai.model to a model of this endpoint"),
    ("model not exist", "set openai.model to a model of this endpoint"),
    ("api key", "set BUCKETLENS_OPENAI_API_KEY to a valid key"),
];
const NO_SCHEMA: &str = "this endpoint does not take a JSON schema: set openai.json = false";
const SEES: &str = "set openai.model to a model that sees pictures";

/// An answer with another status than success.
#[derive(Debug)]
pub(super) struct HttpError {
    pub(super) status: StatusCode,
    /// The header `Location` names another address.
    pub(super) moved: bool,
    /// What the body says, as [`readable`] gives it.
    pub(super) message: String,
    /// The pause of the header `Retry-After`.
    pub(super) pause: Option<Duration>,
    /// The request asked for a JSON schema.
    pub(super) schema: bool,
}

impl HttpError {
    pub(super) fn outcome(self) -> ExchangeOutcome {
        let Self { status, moved, message, pause, schema } = self;
        let told = match message.as_str() {
            "" => format!("it answers {status}"),
            said => format!("it answers {status}: {said}"),
        };
        match status.as_u16() {
            429 => ExchangeOutcome::Throttled(told, pause),
            408 | 425 | 500.. => ExchangeOutcome::Unavailable(told, pause),
            401 | 403 => ExchangeOutcome::Refused(format!(
                "{told}; set {KEY_VARIABLE} to a key that may use this model"
            )),
            404 => {
                ExchangeOutcome::Refused(format!("{told}; check openai.model and openai.base_url"))
            }
            _ if moved => ExchangeOutcome::Refused(format!(
                "{told}, a redirection, which is not followed; \
                 set openai.base_url to the new address"
            )),
            code @ (400 | 413 | 422) => {
                let lower = message.to_lowercase();
                match NOT_THE_PICTURE.iter().find(|(part, _)| lower.contains(part)) {
                    Some((_, advice)) => ExchangeOutcome::Refused(format!("{told}; {advice}")),
                    // Not every endpoint names what it does not know.
                    None if schema && code != 413 => ExchangeOutcome::PictureRefused(format!(
                        "{told}; if it refuses every picture, set openai.json = false"
                    )),
                    None => ExchangeOutcome::PictureRefused(told),
                }
            }
            _ => ExchangeOutcome::Refused(format!(
                "{told}; check openai.base_url and the account there"
            )),
        }
    }
}

/// The message in the body of an error, for a person; empty if the body is an HTML page.
pub(super) fn readable(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(value) => error_message(&value).unwrap_or_else(|| value.to_string()),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    if text.trim_start().starts_with('<') { String::new() } else { shortened(&text) }
}

/// The text on one line, without long words, not too long.
pub(super) fn shortened(text: &str) -> String {
    let words = text.split_whitespace().map(|word| match word.chars().nth(LONGEST_WORD) {
        Some(_) => word.chars().take(20).chain(['…']).collect(),
        None => word.to_owned(),
    });
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST_ERROR_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, message: &str) -> HttpError {
        HttpError {
            status: StatusCode::from_u16(status).unwrap(),
            moved: status == 302,
            message: message.to_owned(),
            pause: None,
            schema: true,
        }
    }

    #[test]
    fn a_status_says_what_to_do() {
        for (status, said, name, part) in [
            (429, "slow down", "throttled", "slow down"),
            (500, "", "unavailable", "500"),
            (529, "overloaded", "unavailable", "overloaded"),
            (408, "", "unavailable", "408"),
            (401, "no key", "refused", "BUCKETLENS_OPENAI_API_KEY"),
            (403, "", "refused", "BUCKETLENS_OPENAI_API_KEY"),
            (404, "model 'x' not found", "refused", "openai.model"),
            (302, "", "refused", "redirection"),
            (402, "Insufficient Balance", "refused", "account"),
            (400, "cannot identify image file", "picture_refused", "cannot identify"),
            (413, "", "picture_refused", "413"),
            (422, "bad picture", "picture_refused", "bad picture"),
            (400, "'response_format' is not supported", "refused", "openai.json"),
            (400, "Llama is not a multimodal model", "refused", "sees pictures"),
            (400, "Unsupported parameter: 'max_tokens'", "refused", "openai.max_tokens"),
        ] {
            let outcome = error(status, said).outcome();
            assert_eq!(outcome.label(), name, "{status} {said}");
            assert!(format!("{outcome:?}").contains(part), "{outcome:?}");
        }
    }

    #[test]
    fn an_endpoint_without_schemas_is_told_from_a_bad_picture() {
        for message in [
            "This response_format type is unavailable now",
            "response_format.type `json_schema` is unavailable now",
            "Either \"json_schema\" or \"grammar\" can be specified, but not both",
            "failed to parse grammar",
            "Structured outputs are not supported by this model",
        ] {
            for status in [400, 422] {
                let outcome = format!("{:?}", error(status, message).outcome());
                assert!(outcome.starts_with("Refused"), "{outcome}");
                assert!(outcome.contains("set openai.json = false"), "{outcome}");
            }
        }
    }

    #[test]
    fn an_error_that_names_nothing_hints_at_the_schema_that_was_sent() {
        let told = |schema, status| {
            let outcome = HttpError { schema, ..error(status, "Bad Request") }.outcome();
            assert_eq!(outcome.label(), "picture_refused");
            format!("{outcome:?}").contains("set openai.json = false")
        };
        assert!(told(true, 400) && told(true, 422));
        assert!(!told(true, 413) && !told(false, 400));
    }

    #[test]
    fn an_error_does_not_repeat_pages_or_pictures() {
        assert_eq!(readable(b"<!DOCTYPE html><html>"), "");
        assert_eq!(readable(br#"{"error": {"message": "bad\n  picture"}}"#), "bad picture");
        let echo = format!("bad url data:image/jpeg;base64,{}", "A".repeat(5000));
        assert_eq!(readable(echo.as_bytes()), "bad url data:image/jpeg;base…");
        assert!(shortened(&"word ".repeat(500)).chars().count() <= MOST_ERROR_CHARACTERS + 1);
        assert_eq!(shortened(&"猫".repeat(101)), format!("{}…", "猫".repeat(20)));
    }
}
