//! The envelope of an answer: a chat completion around the model's text, or an error.

use serde::Deserialize;
use serde_json::Value;

/// The text of the model and why it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ModelAnswer {
    pub(super) text: String,
    /// The API says that the model refused: by the field `refusal`, or by the `finish_reason`
    /// `content_filter`.
    pub(super) refused: bool,
    /// The model reached the limit of tokens: the `finish_reason` is `length`.
    pub(super) cut: bool,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Value,
    refusal: Option<String>,
}

/// Reads the body of an answer.
///
/// # Errors
/// The body is no chat completion: what it is instead.
pub(super) fn parse(body: &[u8]) -> Result<ModelAnswer, String> {
    let value: Value = serde_json::from_slice(body).map_err(|_| String::from("it is not JSON"))?;
    if let Some(message) = error_message(&value) {
        return Err(format!("it says: {message}"));
    }
    let mut completion: Completion =
        serde_json::from_value(value).map_err(|error| error.to_string())?;
    if completion.choices.is_empty() {
        return Err(String::from("it has no choices"));
    }
    let Choice { message, finish_reason } = completion.choices.swap_remove(0);
    let finish = finish_reason.unwrap_or_default();
    if let Some(refusal) = message.refusal.filter(|text| !text.trim().is_empty()) {
        return Ok(ModelAnswer { text: refusal, refused: true, cut: false });
    }
    let text = text_of(message.content)?;
    Ok(ModelAnswer { text, refused: finish == "content_filter", cut: finish == "length" })
}

/// The content is a text, or a list of parts with texts.
fn text_of(content: Value) -> Result<String, String> {
    match content {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        Value::Array(parts) => {
            Ok(parts.iter().filter_map(|part| part.get("text")?.as_str()).collect())
        }
        _ => Err(String::from("its content is no text")),
    }
}

/// The message of an error body, in any of the shapes in use: `{"error": {"message", "code"}}`,
/// `{"error": ""}`, `{"message"}`, `{"detail"}`. `None` if the body is no error.
pub(super) fn error_message(body: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match body.get("error").filter(|error| !error.is_null()) {
        Some(error) => {
            let said = error
                .get("message")
                .and_then(text)
                .or_else(|| text(error))
                .unwrap_or_else(|| error.to_string());
            let code =
                error.get("code").and_then(text).filter(|code| !said.contains(code.as_str()));
            Some(code.map_or(said.clone(), |code| format!("{said} [{code}]")))
        }
        None if body.get("choices").is_some() => None,
        None => {
            let said = body.get("message").or_else(|| body.get("detail"))?;
            Some(text(said).unwrap_or_else(|| said.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<ModelAnswer, String> {
        parse(body.to_string().as_bytes())
    }

    fn choice(message: Value, finish: &str) -> Value {
        let choice = json!({"index": 0, "message": message, "finish_reason": finish});
        json!({"id": "x", "choices": [choice], "usage": {}})
    }

    #[test]
    fn the_text_and_why_it_ends() {
        let written =
            |text: &str, refused, cut| Ok(ModelAnswer { text: text.to_owned(), refused, cut });
        for (message, finish, wanted) in [
            (
                json!({"role": "assistant", "content": "a cat"}),
                "stop",
                written("a cat", false, false),
            ),
            (
                json!({"content": [
                    {"type": "text", "text": "a "},
                    {"type": "text", "text": "cat"},
                ]}),
                "stop",
                written("a cat", false, false),
            ),
            (json!({"content": "a c"}), "length", written("a c", false, true)),
            (
                json!({"content": null, "reasoning_content": "Hm"}),
                "length",
                written("", false, true),
            ),
            (json!({"content": null, "refusal": "No."}), "stop", written("No.", true, false)),
            (json!({"content": ""}), "content_filter", written("", true, false)),
        ] {
            assert_eq!(read(&choice(message.clone(), finish)), wanted, "{message}");
        }
    }

    #[test]
    fn what_is_no_completion_says_what_it_is() {
        for (body, part) in [
            (json!({"error": {"message": "out of memory", "code": 500}}), "out of memory"),
            (json!({"error": "busy"}), "busy"),
            (json!({"object": "error", "message": "no such model"}), "no such model"),
            (json!({"detail": [{"msg": "field required"}]}), "field required"),
            (json!({"choices": []}), "no choices"),
            (json!({"hello": 1}), "choices"),
            (json!([1]), "invalid"),
        ] {
            let error = read(&body).unwrap_err();
            assert!(error.contains(part), "{body}: {error}");
        }
        assert_eq!(parse(b"<html>").unwrap_err(), "it is not JSON");
    }
}
