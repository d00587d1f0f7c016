//! The body of a request for one picture.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;

use super::prompt;
use super::settings::OpenAiSettings;

/// One user message with the picture and the prompt. Options that the settings switch off are left
/// out.
pub(super) fn body(
    settings: &OpenAiSettings,
    prompt: &str,
    languages: &[String],
    jpeg: &[u8],
) -> Bytes {
    let picture = format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg));
    let mut body = json!({
        "model": settings.model,
        "messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": picture}},
            {"type": "text", "text": prompt},
        ]}],
        "stream": false,
    });
    if settings.max_tokens > 0 {
        body["max_tokens"] = settings.max_tokens.into();
    }
    if settings.json {
        body["response_format"] = prompt::response_format(languages);
    }
    body.to_string().into()
}
