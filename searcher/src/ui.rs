//! The web page, embedded in the program. No build step, no request to anywhere but this server and
//! the store.

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use pipeline::bucket::BucketSettings;
use tower_http::set_header::SetResponseHeaderLayer;

/// Each file's path below `/ui/`, and what is in it.
macro_rules! files {
    ($($path:literal),* $(,)?) => {
        [$((concat!("/ui/", $path), include_str!(concat!("../ui/", $path)))),*]
    };
}

const INDEX: (&str, &str) = ("/", include_str!("../ui/index.html"));
const FILES: [(&str, &str); 43] = files![
    "app.js",
    "address.js",
    "captioning.js",
    "elements.js",
    "filters.js",
    "grid.js",
    "message.js",
    "question.js",
    "said.js",
    "search.js",
    "server.js",
    "sharing.js",
    "shrink.js",
    "tuning.js",
    "viewer.js",
    "views.js",
    "words.js",
    "filters.css",
    "style.css",
    "viewer.css",
    "favicon.svg",
    "library/library.js",
    "library/months.js",
    "library/pages.js",
    "library/words.js",
    "library/library.html",
    "library/library.css",
    "operations/ask.js",
    "operations/dead.js",
    "operations/letters.js",
    "operations/models.js",
    "operations/operations.js",
    "operations/stages.js",
    "operations/words.js",
    "operations/operations.html",
    "operations/operations.css",
    "upload/arrival.js",
    "upload/files.js",
    "upload/transfer.js",
    "upload/upload.js",
    "upload/words.js",
    "upload/upload.html",
    "upload/upload.css",
];

/// What a browser shall take a file for.
fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/html; charset=utf-8",
    }
}

/// Weak, because the answer may be compressed.
fn etag(body: &str) -> String {
    format!("W/\"{}\"", &blake3::hash(body.as_bytes()).to_hex()[..16])
}

/// File names stay the same between releases, so a browser must ask whether what it has is still
/// right.
fn file(path: &str, body: &'static str, etag: &str, asked: &HeaderMap) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type(path)),
        (header::CACHE_CONTROL, "no-cache"),
        (header::ETAG, etag),
    ];
    let known = asked.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    match known {
        Some(known) if known.split(',').any(|known| known.trim() == etag) => {
            (StatusCode::NOT_MODIFIED, headers).into_response()
        }
        _ => (headers, body).into_response(),
    }
}

/// The page and its files, with headers that keep everything else out.
pub(crate) fn router(bucket: &BucketSettings, uploads: bool) -> Router {
    let store = store_origin(bucket);
    let uploads_to = if uploads { &store } else { "" };
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob: {store}; connect-src 'self' \
         {uploads_to}; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    );
    let policy = HeaderValue::from_str(&policy)
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'self'"));
    let mut router = Router::new();
    for (path, body) in FILES.into_iter().chain([INDEX]) {
        let etag = etag(body);
        router = router
            .route(path, get(move |headers| std::future::ready(file(path, body, &etag, &headers))));
    }
    let set = |name, value| SetResponseHeaderLayer::overriding(name, value);
    router
        .layer(set(header::CONTENT_SECURITY_POLICY, policy))
        .layer(set(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")))
}

/// Where links to originals point, as a source of pictures in the page's policy.
fn store_origin(bucket: &BucketSettings) -> String {
    let public =
        if bucket.public_endpoint.is_empty() { &bucket.endpoint } else { &bucket.public_endpoint };
    let Ok(url) = url::Url::parse(public) else { return "https://*.amazonaws.com".to_owned() };
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let bucket_host = if bucket.path_style { String::new() } else { format!("{}.", bucket.name) };
    format!("{}://{bucket_host}{host}{port}", url.scheme())
}
