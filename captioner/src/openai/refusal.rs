//! Answers that are errors: whose fault they are, and what to do.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::completion;
use super::exchange::Outcome;
use super::settings::KEY_VARIABLE;

/// Most of an error's text that is repeated.
const MOST_ERROR_CHARACTERS: usize = 300;
/// Longest word of an error that is repeated: some endpoints repeat the whole request, picture
/// included.
const LONGEST_WORD: usize = 100;

/// Texts of a refused request that are no fault of the picture, and what to do.
const NOT_THE_PICTURE: &[(&str, &str)] = &[
    ("response_format", "set openai.json to false"),
    ("json_object", "set openai.json to false"),
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
const SEES: &str = "set openai.model to a model that sees pictures";

/// What an error means, by its status and what it says. `moved`: it names another address.
pub(super) fn refusal(
    status: StatusCode,
    moved: bool,
    said: String,
    pause: Option<Duration>,
) -> Outcome {
    let told = if said.is_empty() {
        format!("it answers {status}")
    } else {
        format!("it answers {status}: {said}")
    };
    match status.as_u16() {
        429 => Outcome::Throttled(told, pause),
        408 | 425 | 500.. => Outcome::Unavailable(told, pause),
        401 | 403 => {
            Outcome::Refused(format!("{told}; set {KEY_VARIABLE} to a key that may use this model"))
        }
        404 => Outcome::Refused(format!("{told}; check openai.model and openai.base_url")),
        _ if moved => Outcome::Refused(format!(
            "{told}, a redirection, which is not followed; set openai.base_url to the new address"
        )),
        400 | 413 | 422 => {
            let lower = said.to_lowercase();
            match NOT_THE_PICTURE.iter().find(|(part, _)| lower.contains(part)) {
                Some((_, advice)) => Outcome::Refused(format!("{told}; {advice}")),
                None => Outcome::PictureRefused(told),
            }
        }
        _ => Outcome::Refused(format!("{told}; check openai.base_url and the account there")),
    }
}

/// What an error's body says to a person; nothing where it is a page.
pub(super) fn said(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(value) => completion::message(&value).unwrap_or_else(|| value.to_string()),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    if text.trim_start().starts_with('<') { String::new() } else { shortened(&text) }
}

/// One line, without long words, not too long.
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

    #[test]
    fn a_status_says_what_to_do() {
        let code = |status, said: &str| {
            refusal(StatusCode::from_u16(status).unwrap(), status == 302, said.to_owned(), None)
        };
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
            let outcome = code(status, said);
            assert_eq!(outcome.name(), name, "{status} {said}");
            assert!(format!("{outcome:?}").contains(part), "{outcome:?}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_pages_or_pictures() {
        assert_eq!(said(b"<!DOCTYPE html><html>"), "");
        assert_eq!(said(br#"{"error": {"message": "bad\n  picture"}}"#), "bad picture");
        let echo = format!("bad url data:image/jpeg;base64,{}", "A".repeat(5000));
        assert_eq!(said(echo.as_bytes()), "bad url data:image/jpeg;base…");
        assert!(shortened(&"word ".repeat(500)).chars().count() <= MOST_ERROR_CHARACTERS + 1);
        assert_eq!(shortened(&"猫".repeat(101)), format!("{}…", "猫".repeat(20)));
    }
}
