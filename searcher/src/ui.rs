//! The web page, embedded in the program. No build step, no request to anywhere but this server and the store.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::routing::get;
use pipeline::bucket::BucketSettings;
use tower_http::set_header::SetResponseHeaderLayer;

const FILES: [(&str, &str, &str); 43] = [
    ("/", "text/html; charset=utf-8", include_str!("../ui/index.html")),
    ("/ui/app.js", "text/javascript; charset=utf-8", include_str!("../ui/app.js")),
    ("/ui/address.js", "text/javascript; charset=utf-8", include_str!("../ui/address.js")),
    ("/ui/captioning.js", "text/javascript; charset=utf-8", include_str!("../ui/captioning.js")),
    ("/ui/elements.js", "text/javascript; charset=utf-8", include_str!("../ui/elements.js")),
    ("/ui/filters.js", "text/javascript; charset=utf-8", include_str!("../ui/filters.js")),
    ("/ui/grid.js", "text/javascript; charset=utf-8", include_str!("../ui/grid.js")),
    ("/ui/message.js", "text/javascript; charset=utf-8", include_str!("../ui/message.js")),
    ("/ui/question.js", "text/javascript; charset=utf-8", include_str!("../ui/question.js")),
    ("/ui/said.js", "text/javascript; charset=utf-8", include_str!("../ui/said.js")),
    ("/ui/search.js", "text/javascript; charset=utf-8", include_str!("../ui/search.js")),
    ("/ui/server.js", "text/javascript; charset=utf-8", include_str!("../ui/server.js")),
    ("/ui/sharing.js", "text/javascript; charset=utf-8", include_str!("../ui/sharing.js")),
    ("/ui/tuning.js", "text/javascript; charset=utf-8", include_str!("../ui/tuning.js")),
    ("/ui/viewer.js", "text/javascript; charset=utf-8", include_str!("../ui/viewer.js")),
    ("/ui/views.js", "text/javascript; charset=utf-8", include_str!("../ui/views.js")),
    ("/ui/words.js", "text/javascript; charset=utf-8", include_str!("../ui/words.js")),
    ("/ui/filters.css", "text/css; charset=utf-8", include_str!("../ui/filters.css")),
    ("/ui/style.css", "text/css; charset=utf-8", include_str!("../ui/style.css")),
    ("/ui/viewer.css", "text/css; charset=utf-8", include_str!("../ui/viewer.css")),
    ("/ui/favicon.svg", "image/svg+xml", include_str!("../ui/favicon.svg")),
    ("/ui/library/library.js", "text/javascript; charset=utf-8", include_str!("../ui/library/library.js")),
    ("/ui/library/months.js", "text/javascript; charset=utf-8", include_str!("../ui/library/months.js")),
    ("/ui/library/pages.js", "text/javascript; charset=utf-8", include_str!("../ui/library/pages.js")),
    ("/ui/library/words.js", "text/javascript; charset=utf-8", include_str!("../ui/library/words.js")),
    ("/ui/library/library.html", "text/html; charset=utf-8", include_str!("../ui/library/library.html")),
    ("/ui/library/library.css", "text/css; charset=utf-8", include_str!("../ui/library/library.css")),
    ("/ui/operations/ask.js", "text/javascript; charset=utf-8", include_str!("../ui/operations/ask.js")),
    ("/ui/operations/dead.js", "text/javascript; charset=utf-8", include_str!("../ui/operations/dead.js")),
    ("/ui/operations/letters.js", "text/javascript; charset=utf-8", include_str!("../ui/operations/letters.js")),
    ("/ui/operations/models.js", "text/javascript; charset=utf-8", include_str!("../ui/operations/models.js")),
    ("/ui/operations/operations.js", "text/javascript; charset=utf-8", include_str!("../ui/operations/operations.js")),
    ("/ui/operations/stages.js", "text/javascript; charset=utf-8", include_str!("../ui/operations/stages.js")),
    ("/ui/operations/words.js", "text/javascript; charset=utf-8", include_str!("../ui/operations/words.js")),
    ("/ui/operations/operations.html", "text/html; charset=utf-8", include_str!("../ui/operations/operations.html")),
    ("/ui/operations/operations.css", "text/css; charset=utf-8", include_str!("../ui/operations/operations.css")),
    ("/ui/upload/arrival.js", "text/javascript; charset=utf-8", include_str!("../ui/upload/arrival.js")),
    ("/ui/upload/files.js", "text/javascript; charset=utf-8", include_str!("../ui/upload/files.js")),
    ("/ui/upload/transfer.js", "text/javascript; charset=utf-8", include_str!("../ui/upload/transfer.js")),
    ("/ui/upload/upload.js", "text/javascript; charset=utf-8", include_str!("../ui/upload/upload.js")),
    ("/ui/upload/words.js", "text/javascript; charset=utf-8", include_str!("../ui/upload/words.js")),
    ("/ui/upload/upload.html", "text/html; charset=utf-8", include_str!("../ui/upload/upload.html")),
    ("/ui/upload/upload.css", "text/css; charset=utf-8", include_str!("../ui/upload/upload.css")),
];

/// The page and its files, with headers that keep everything else out.
pub(crate) fn router(bucket: &BucketSettings, uploads: bool) -> Router {
    let store = store_origin(bucket);
    let uploads_to = if uploads { &store } else { "" };
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob: {store}; connect-src 'self' \
         {uploads_to}; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    );
    let policy = HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'self'"));
    let mut router = Router::new();
    for (path, kind, body) in FILES {
        // File names stay the same between releases, so a browser must ask whether they are still right.
        let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")];
        router = router.route(path, get(move || std::future::ready((headers, body))));
    }
    let set = |name, value| SetResponseHeaderLayer::overriding(name, value);
    router
        .layer(set(header::CONTENT_SECURITY_POLICY, policy))
        .layer(set(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")))
}

/// Where links to originals point, as a source of pictures in the page's policy.
fn store_origin(bucket: &BucketSettings) -> String {
    let public = if bucket.public_endpoint.is_empty() { &bucket.endpoint } else { &bucket.public_endpoint };
    let Ok(url) = url::Url::parse(public) else { return "https://*.amazonaws.com".to_owned() };
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let bucket_host = if bucket.path_style { String::new() } else { format!("{}.", bucket.name) };
    format!("{}://{bucket_host}{host}{port}", url.scheme())
}
