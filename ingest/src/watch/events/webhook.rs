//! `POST /events`: S3 notifications, as MinIO, RustFS, Ceph and AWS send them.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use pipeline::event::{Via, parse_notification};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use subtle::ConstantTimeEq;

use super::{Door, count};

// AWS sends at most 64 KiB; batches of others are larger.
const MAX_BODY_BYTES: usize = 1 << 20;

struct Webhook {
    door: Arc<Door>,
    secret: SecretString,
}

/// The routes of this door.
pub(super) fn router(door: Arc<Door>, secret: SecretString) -> Router {
    let webhook = Arc::new(Webhook { door, secret });
    Router::new()
        .route("/events", post(receive))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(webhook)
}

impl Webhook {
    fn opens_to(&self, headers: &HeaderMap) -> bool {
        let secret = self.secret.expose_secret().as_bytes();
        let given =
            headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
        // MinIO sends its token with or without the scheme, as it was written into its settings.
        let given = given.strip_prefix(b"Bearer ").unwrap_or(given);
        !secret.is_empty() && bool::from(given.ct_eq(secret))
    }
}

async fn receive(State(webhook): State<Arc<Webhook>>, headers: HeaderMap, body: Bytes) -> Response {
    if webhook.secret.expose_secret().is_empty() {
        return answer(
            StatusCode::FORBIDDEN,
            "no events are taken: set events.secret to open this door",
        );
    }
    if !webhook.opens_to(&headers) {
        return answer(
            StatusCode::UNAUTHORIZED,
            "send events.secret as 'Authorization: Bearer ...'",
        );
    }
    let door = &webhook.door;
    let events = match parse_notification(&body, door.source, Via::Push) {
        Ok(events) => events,
        Err(error) => return answer(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    count("webhook", events.len());
    let mut acted = 0;
    for event in &events {
        match door.act(event).await {
            Ok(done) => acted += usize::from(done),
            Err(error) => {
                tracing::warn!(
                    "an event could not be acted on, its sender may send it again: {error:#}"
                );
                return answer(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "bucket, tables or broker cannot be reached, send it again later",
                );
            }
        }
    }
    axum::Json(json!({ "events": events.len(), "acted_on": acted })).into_response()
}

fn answer(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}
