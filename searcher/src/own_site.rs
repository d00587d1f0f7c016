//! No other web site may act through the browser of someone who reaches this server: what changes anything is taken from our own
//! page, and from programs, which send no such header.

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

// Sent by every browser since 2023, and no script can forge it.
const FETCH_SITE: &str = "sec-fetch-site";

/// Refuses what a browser sends on behalf of another site, except for reading, whose answer the browser keeps from it.
pub(crate) async fn check(request: Request, next: Next) -> Response {
    let site = request.headers().get(FETCH_SITE).and_then(|value| value.to_str().ok());
    let foreign = site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    if foreign && !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Problem::new(StatusCode::FORBIDDEN, "requests of other web sites are not taken").into_response();
    }
    next.run(request).await
}
