//! Who may use an HTTP interface: everybody, or whoever knows the key.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::problem::Problem;

/// Lets a request through if no key is set or it carries the key.
pub async fn check(State(key): State<Arc<SecretString>>, request: Request, next: Next) -> Response {
    let key = key.expose_secret().as_bytes();
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .map(|value| value.as_bytes())
        .unwrap_or_default();
    let given = given.strip_prefix(b"Bearer ").unwrap_or_default();
    if key.is_empty() || bool::from(given.ct_eq(key)) {
        return next.run(request).await;
    }
    let problem =
        Problem::new(StatusCode::UNAUTHORIZED, "send the API key as 'Authorization: Bearer ...'");
    ([(header::WWW_AUTHENTICATE, "Bearer")], problem).into_response()
}
