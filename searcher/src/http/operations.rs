//! `/v1/ops/…`: a reverse proxy to ingest, so that the page needs one address only. Ingest decides
//! who may operate: the searcher forwards the key of a request and has none of its own.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Router, middleware};
use reqwest::redirect::Policy;
use url::Url;

use super::admission::{self, Admission};
use crate::problem::{self, Problem};

const MAX_BODY_BYTES: usize = 64 << 10;
const AT_ONCE: usize = 16;
// Ingest itself gives up after 30 seconds.
const TIMEOUT: Duration = Duration::from_secs(40);
const FORWARDED_HEADERS: [header::HeaderName; 3] =
    [header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT];

#[derive(Clone)]
struct IngestClient {
    url: String,
    http: reqwest::Client,
}

/// The routes. `url` is the address of ingest; empty: every request is answered 503.
///
/// # Errors
/// The HTTP client cannot be made.
pub(crate) fn router(url: &str) -> anyhow::Result<Router> {
    let no_redirects = Policy::none();
    let http =
        reqwest::Client::builder().timeout(TIMEOUT).redirect(no_redirects).no_proxy().build()?;
    let ingest = IngestClient { url: url.trim_end_matches('/').to_owned(), http };
    Ok(Router::new()
        .route("/v1/ops/{*rest}", any(forward))
        .layer(middleware::from_fn_with_state(
            Admission::new(AT_ONCE, MAX_BODY_BYTES, TIMEOUT),
            admission::admit,
        ))
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
    let challenge = answer.headers().get(header::WWW_AUTHENTICATE).cloned();
    let status = answer.status();
    let mut response = (status, Body::from_stream(answer.bytes_stream())).into_response();
    response.headers_mut().extend(kind.map(|kind| (header::CONTENT_TYPE, kind)));
    response.headers_mut().extend(challenge.map(|challenge| (header::WWW_AUTHENTICATE, challenge)));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

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
