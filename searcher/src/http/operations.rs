//! `/v1/ops/…`: a reverse proxy to ingest, so that the page needs one address only. A request must
//! carry the searcher's key where it has one. Ingest decides who may operate: its key comes in a
//! header of its own, and the searcher only forwards it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Router, middleware};
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use service::http::access;
use url::Url;

use super::admission::{self, Admission};
use crate::problem::{self, Problem};

const MAX_BODY_BYTES: usize = 64 << 10;
const AT_ONCE: usize = 16;
// Ingest itself gives up after 30 seconds.
const TIMEOUT: Duration = Duration::from_secs(40);
const FORWARDED_HEADERS: [HeaderName; 2] = [header::CONTENT_TYPE, header::ACCEPT];
/// The key of ingest. A searcher without a key takes it as `Authorization: Bearer …` too.
const OPERATORS_KEY: HeaderName = HeaderName::from_static("operators-key");
/// Tells a client that the operators' key is the missing one, not that of searches.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"operators\"");

#[derive(Clone)]
struct IngestClient {
    url: String,
    http: reqwest::Client,
    /// Whether `Authorization` holds the searcher's own key.
    keyed: bool,
}

/// The routes. `url` is the address of ingest; empty: every request is answered 503. `key` is that
/// of the searcher.
///
/// # Errors
/// The HTTP client cannot be made.
pub(crate) fn router(url: &str, key: SecretString) -> anyhow::Result<Router> {
    let no_redirects = Policy::none();
    let http =
        reqwest::Client::builder().timeout(TIMEOUT).redirect(no_redirects).no_proxy().build()?;
    let keyed = !key.expose_secret().is_empty();
    let ingest = IngestClient { url: url.trim_end_matches('/').to_owned(), http, keyed };
    Ok(Router::new()
        .route("/v1/ops/{*rest}", any(forward))
        .layer(middleware::from_fn_with_state(
            Admission::new(AT_ONCE, MAX_BODY_BYTES, TIMEOUT),
            admission::admit,
        ))
        .layer(middleware::from_fn_with_state(Arc::new(key), access::check))
        .with_state(ingest))
}

/// The address of a path at ingest; `None` if the path leads out of `/v1/ops/` by steps upwards, in
/// whatever spelling.
fn within_operations(ingest: &str, path: &str) -> Option<Url> {
    let inside = Url::parse(&format!("{ingest}/v1/ops/")).ok()?;
    let to = Url::parse(&format!("{ingest}{path}")).ok()?;
    let same =
        (inside.scheme(), inside.host(), inside.port()) == (to.scheme(), to.host(), to.port());
    (same && to.username().is_empty() && to.path().starts_with(inside.path())).then_some(to)
}

/// The `Authorization` that ingest gets.
fn authorization(headers: &HeaderMap, keyed: bool) -> Option<HeaderValue> {
    match headers.get(OPERATORS_KEY) {
        Some(key) => HeaderValue::from_bytes(&[b"Bearer ", key.as_bytes()].concat()).ok(),
        None if keyed => None,
        None => headers.get(header::AUTHORIZATION).cloned(),
    }
}

async fn forward(
    State(ingest): State<IngestClient>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    if ingest.url.is_empty() {
        let detail = "operations are not reachable from here: set operations.url of the searcher \
                      to the address of ingest";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let Some(to) = within_operations(&ingest.url, path) else {
        return Err(problem::no_such_resource());
    };
    let mut request = ingest.http.request(method, to).body(body);
    if let Some(authorization) = authorization(&headers, ingest.keyed) {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    for name in FORWARDED_HEADERS {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    let answer = request
        .send()
        .await
        .map_err(|error| Problem::unavailable("ingest does not answer", error))?;
    let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
    let status = answer.status();
    let mut response = (status, Body::from_stream(answer.bytes_stream())).into_response();
    response.headers_mut().extend(kind.map(|kind| (header::CONTENT_TYPE, kind)));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_searchers_own_key_is_not_forwarded() {
        let sent = |headers: &[(&'static str, &'static str)], keyed| {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect();
            authorization(&headers, keyed).map(|value| value.to_str().unwrap().to_owned())
        };
        let (own, operators) = (("authorization", "Bearer own"), ("operators-key", "theirs"));
        assert_eq!(sent(&[own], true), None);
        assert_eq!(sent(&[own], false).as_deref(), Some("Bearer own"));
        for keyed in [true, false] {
            assert_eq!(sent(&[own, operators], keyed).as_deref(), Some("Bearer theirs"));
            assert_eq!(sent(&[], keyed), None);
        }
    }

    #[test]
    fn no_path_leads_out_of_the_operations() {
        let to = |path: &str| within_operations("http://127.0.0.1:8081", path).map(String::from);
        assert_eq!(
            to("/v1/ops/dead?key=a/../b").as_deref(),
            Some("http://127.0.0.1:8081/v1/ops/dead?key=a/../b")
        );
        assert_eq!(to("/v1/ops/a%2Fb").as_deref(), Some("http://127.0.0.1:8081/v1/ops/a%2Fb"));
        for out in [
            "/v1/ops/../../metrics",
            "/v1/ops/%2e%2e/%2E./metrics",
            "/v1/ops/..\\../metrics",
            "@other/v1/ops/",
            "//other/v1/ops/x",
        ] {
            assert_eq!(to(out), None, "{out}");
        }
        assert_eq!(within_operations("http://a/below", "/v1/ops/../../../v1/ops/x"), None);
    }
}
