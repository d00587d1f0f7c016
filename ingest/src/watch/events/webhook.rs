//! `POST /events`: S3 notifications, as MinIO, RustFS, Ceph and AWS send them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use pipeline::event::{Via, parse_notification};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use service::http::access;
use service::http::problem::Problem;

use super::door::{EventDoor, count};

// AWS sends at most 64 KiB; batches of others are larger.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The route. An empty secret closes it.
pub(super) fn router(door: Arc<EventDoor>, secret: SecretString) -> Router {
    if secret.expose_secret().is_empty() {
        return Router::new().route("/events", post(closed));
    }
    Router::new()
        .route("/events", post(receive))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(Arc::new(secret), access::check))
        .layer(middleware::from_fn(with_scheme))
        .with_state(door)
}

async fn closed() -> Problem {
    let detail = "no events are taken: set events.secret to open this door";
    Problem::new(StatusCode::FORBIDDEN, detail)
}

/// Adds the scheme `Bearer` where it is missing: MinIO sends its token exactly as it was
/// configured, often without one.
async fn with_scheme(mut request: Request, next: Next) -> Response {
    if let Some(token) = request.headers().get(header::AUTHORIZATION)
        && !token.as_bytes().starts_with(b"Bearer ")
        && let Ok(bearer) = HeaderValue::from_bytes(&[b"Bearer ", token.as_bytes()].concat())
    {
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
    }
    next.run(request).await
}

async fn receive(State(door): State<Arc<EventDoor>>, body: Bytes) -> Result<Json<Value>, Problem> {
    let events = parse_notification(&body, door.source, Via::Push)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error))?;
    count("webhook", events.len());
    let mut acted = 0;
    for event in &events {
        let done = door.act(event).await.map_err(|error| {
            tracing::warn!("no effect yet, the sender may repeat the event: {error:#}");
            let detail = "bucket, tables or broker cannot be reached, send it again later";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        })?;
        acted += usize::from(done);
    }
    Ok(Json(json!({ "events": events.len(), "acted_on": acted })))
}
