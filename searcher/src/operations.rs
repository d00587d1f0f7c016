//! `/v1/ops/…`: forwarded to ingest as it is, so that the page's operations need one address only. Who may operate is ingest's
//! decision: the key that comes with a request goes with it, and this process has none of its own.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Router, middleware};
use tower::limit::GlobalConcurrencyLimitLayer;

use crate::api;
use crate::problem::Problem;

const MAX_BODY_BYTES: usize = 64 << 10;
const AT_ONCE: usize = 16;
// Ingest itself gives up after 30 seconds.
const TIMEOUT: Duration = Duration::from_secs(40);
const PASSED_ON: [header::HeaderName; 3] = [header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT];

#[derive(Clone)]
struct Ingest {
    url: String,
    http: reqwest::Client,
}

/// The routes; `url` is the address of ingest, empty where it is not to be reached from here.
///
/// # Errors
/// The HTTP client cannot be made.
pub(crate) fn router(url: &str) -> anyhow::Result<Router> {
    let none = reqwest::redirect::Policy::none();
    let http = reqwest::Client::builder().timeout(TIMEOUT).redirect(none).no_proxy().build()?;
    let ingest = Ingest { url: url.trim_end_matches('/').to_owned(), http };
    Ok(Router::new()
        .route("/v1/ops/{*rest}", any(forward))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(GlobalConcurrencyLimitLayer::new(AT_ONCE))
        // A request that comes too slowly must not keep a place.
        .layer(middleware::from_fn(|request, next| api::within(TIMEOUT, request, next)))
        .with_state(ingest))
}

async fn forward(
    State(ingest): State<Ingest>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    if ingest.url.is_empty() {
        let detail = "operations are not reachable from here: set operations.url of the searcher to the address of ingest";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = ingest.http.request(method, format!("{}{path}", ingest.url)).body(body);
    for name in PASSED_ON {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await.map_err(|error| Problem::unavailable("ingest does not answer", error))?;
    let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
    let (status, asks) = (answer.status(), answer.headers().get(header::WWW_AUTHENTICATE).cloned());
    let mut response = (status, Body::from_stream(answer.bytes_stream())).into_response();
    response.headers_mut().extend(kind.map(|kind| (header::CONTENT_TYPE, kind)));
    response.headers_mut().extend(asks.map(|asks| (header::WWW_AUTHENTICATE, asks)));
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    Ok(response)
}
