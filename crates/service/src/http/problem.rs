//! The one error shape of all HTTP interfaces: `application/problem+json` (RFC 9457), with the
//! field that is wrong.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

const MOST_FIELD_CHARACTERS: usize = 100;
const MOST_DETAIL_CHARACTERS: usize = 1000;
// What frameworks say of themselves is a line.
const MOST_PLAIN_BYTES: usize = 4096;

fn cut(text: String, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Gives what a framework refuses on its own, in plain text or without a word, the shape of all
/// other errors.
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

/// What went wrong with a request, as it is answered.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemBody {
    /// `about:blank`: the status says it all.
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

/// What went wrong with a request.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    field: Option<String>,
    detail: String,
}

impl Problem {
    /// The request cannot be understood; `field` names the part to correct.
    pub fn field(field: impl Into<String>, detail: impl ToString) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            field: Some(field.into()),
            detail: detail.to_string(),
        }
    }

    /// Any other answer that is an error.
    pub fn new(status: StatusCode, detail: impl ToString) -> Self {
        Self { status, field: None, detail: detail.to_string() }
    }

    /// What went wrong, in a sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Something this process needs failed; the cause goes to the log, not to the client.
    pub fn unavailable(what: &str, error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "{what}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("{what}; try again later"))
    }
}

/// Reads JSON from outside.
///
/// # Errors
/// What is wrong with it, with the field: its path, behind `above` where the JSON is a part of a
/// larger request (`filter.`), or `body` where it is no JSON at all.
pub fn read_json<T: DeserializeOwned>(bytes: &[u8], above: &str) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (path, text) = (error.path().to_string(), error.inner().to_string());
        // A tagged or flattened type says which field it does not know in its text only.
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
        let Self { status, field, detail } = self;
        // Both may repeat what was sent.
        let field = field.map(|field| cut(field, MOST_FIELD_CHARACTERS));
        let detail = cut(detail, MOST_DETAIL_CHARACTERS);
        let title = status.canonical_reason().unwrap_or("Error");
        let body =
            ProblemBody { r#type: "about:blank", title, status: status.as_u16(), detail, field };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}
