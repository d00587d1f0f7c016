//! The one form of errors of all HTTP interfaces: `application/problem+json` (RFC 9457). It names
//! the field of the request that is wrong.

use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

const MOST_FIELD_CHARACTERS: usize = 100;
const MOST_DETAIL_CHARACTERS: usize = 1000;
// The plain texts of frameworks are one line.
const MOST_PLAIN_BYTES: usize = 4096;
// Asked of clients where this server is overloaded or lacks something.
const PAUSE_SECONDS: u64 = 1;

fn cut(text: String, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Turns an error that a framework answered by itself, as plain text or without a body, into
/// `application/problem+json`.
pub async fn instead_of_plain(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !(status.is_client_error() || status.is_server_error())
        || kind.is_some_and(|kind| !kind.starts_with("text/plain"))
    {
        return response;
    }
    let text =
        axum::body::to_bytes(response.into_body(), MOST_PLAIN_BYTES).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let detail = if text.trim().is_empty() {
        status.canonical_reason().unwrap_or("it failed")
    } else {
        text.trim()
    };
    Problem::new(status, detail).into_response()
}

/// The JSON body of a problem.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemBody {
    /// Always `about:blank`: the status says which kind of problem it is.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened and what to do, in a sentence.
    detail: String,
    /// The part of the request that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

/// Why a request failed.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    field: Option<String>,
    detail: String,
    retry_after_seconds: Option<u64>,
}

impl Problem {
    /// 400: the request cannot be understood. `field` names the part to correct.
    pub fn field(field: impl Into<String>, detail: impl ToString) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            field: Some(field.into()),
            detail: detail.to_string(),
            retry_after_seconds: None,
        }
    }

    /// Any other error. 503 asks the client to wait a second before it tries again.
    pub fn new(status: StatusCode, detail: impl ToString) -> Self {
        let unavailable = status == StatusCode::SERVICE_UNAVAILABLE;
        Self {
            status,
            field: None,
            detail: detail.to_string(),
            retry_after_seconds: unavailable.then_some(PAUSE_SECONDS),
        }
    }

    /// The same error, with a pause that the client should make before it tries again.
    #[must_use]
    pub fn after(self, pause: Duration) -> Self {
        // A client that comes at the very second must not be early.
        Self { retry_after_seconds: Some(pause.as_secs() + 1), ..self }
    }

    /// What went wrong, in a sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// 503: something that this process needs failed. `what` is a sentence for the client; `error`
    /// goes to the log only.
    pub fn unavailable(what: &str, error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "{what}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("{what}; try again later"))
    }
}

/// Reads JSON that a client sent.
///
/// # Errors
/// 400 with the path of the wrong field, or `body` if the text is not JSON. `above` goes before the
/// path where the JSON is only a part of the request, as in `filter.`.
pub fn read_json<T: DeserializeOwned>(bytes: &[u8], above: &str) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (path, text) = (error.path().to_string(), error.inner().to_string());
        // A tagged or flattened type names an unknown field in its message only.
        let unknown = text.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
        let field = match (path.as_str(), unknown) {
            (".", Some(unknown)) => format!("{above}{unknown}"),
            (".", None) => String::from("body"),
            (path, _) => format!("{above}{path}"),
        };
        Problem::field(field, text)
    })?;
    reader.end().map_err(|error| Problem::field("body", error))?;
    Ok(value)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, field, detail, retry_after_seconds } = self;
        // Both may repeat the request, so both are cut.
        let field = field.map(|field| cut(field, MOST_FIELD_CHARACTERS));
        let detail = cut(detail, MOST_DETAIL_CHARACTERS);
        let title = status.canonical_reason().unwrap_or("Error");
        let body =
            ProblemBody { r#type: "about:blank", title, status: status.as_u16(), detail, field };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let pause = retry_after_seconds.map(|seconds| [(header::RETRY_AFTER, seconds.to_string())]);
        match pause {
            Some(pause) => (status, kind, pause, body).into_response(),
            None => (status, kind, body).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Limits {
        #[serde(rename = "most")]
        _most: u8,
    }

    #[derive(Debug, Deserialize)]
    struct Sent {
        #[serde(rename = "limits")]
        _limits: Limits,
    }

    #[test]
    fn wrong_json_names_the_field() {
        for (text, above, field) in [
            ("{\"limits\": {\"most\": 900}}", "", "limits.most"),
            ("{\"limits\": {\"most\": 9, \"least\": 1}}", "filter.", "filter.limits.least"),
            ("nothing", "", "body"),
            ("{\"limits\": {\"most\": 9}} more", "", "body"),
        ] {
            let problem = read_json::<Sent>(text.as_bytes(), above).unwrap_err();
            assert_eq!(problem.field.as_deref(), Some(field), "{text}: {}", problem.detail);
        }
    }

    async fn shown(response: Response) -> (StatusCode, serde_json::Value) {
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[tokio::test]
    async fn plain_errors_take_the_form_of_all_others_and_answers_stay() {
        let plain = (StatusCode::PAYLOAD_TOO_LARGE, "length limit exceeded").into_response();
        let (status, body) = shown(instead_of_plain(plain).await).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(body["detail"], "length limit exceeded");
        let silent = Response::builder().status(404).body(Body::empty()).unwrap();
        let (_, body) = shown(instead_of_plain(silent).await).await;
        assert_eq!(body["detail"], "Not Found");
        let (_, body) = shown(instead_of_plain("plain".into_response()).await).await;
        assert!(body.is_null(), "an answer that is no error keeps its text");
    }

    #[test]
    fn who_is_refused_for_now_is_told_how_long_to_wait() {
        let pause =
            |problem: Problem| problem.into_response().headers().get(header::RETRY_AFTER).cloned();
        assert_eq!(pause(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy")).unwrap(), "1");
        let often = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too often");
        assert_eq!(pause(often.clone().after(Duration::from_millis(2500))).unwrap(), "3");
        assert_eq!(pause(often), None);
        assert_eq!(pause(Problem::field("q", "is empty")), None);
    }

    #[tokio::test]
    async fn what_a_client_sent_is_repeated_in_part_only() {
        let (_, body) =
            shown(Problem::field("f".repeat(5000), "d".repeat(5000)).into_response()).await;
        assert_eq!(body["field"].as_str().unwrap().chars().count(), MOST_FIELD_CHARACTERS + 1);
        assert_eq!(body["detail"].as_str().unwrap().chars().count(), MOST_DETAIL_CHARACTERS + 1);
    }
}
