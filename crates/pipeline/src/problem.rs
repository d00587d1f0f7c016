//! The one error shape of all HTTP interfaces: `application/problem+json` (RFC 9457), with the field that is wrong.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::connection::BrokerError;

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
        Self { status: StatusCode::BAD_REQUEST, field: Some(field.into()), detail: detail.to_string() }
    }

    /// Any other answer that is an error.
    pub fn new(status: StatusCode, detail: impl ToString) -> Self {
        Self { status, field: None, detail: detail.to_string() }
    }

    /// Something this process needs failed; the cause goes to the log, not to the client.
    pub fn unavailable(what: &str, error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "{what}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("{what}; try again later"))
    }
}

impl From<BrokerError> for Problem {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::Busy(_) => Self::new(StatusCode::CONFLICT, error),
            error => Self::unavailable("the broker cannot be asked", error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let mut body = json!({ "type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail });
        if let Some(field) = self.field {
            body["field"] = field.into();
        }
        (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    }
}
