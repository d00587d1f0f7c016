//! The web page, embedded in the program. It needs no build step, and its browser asks only this
//! server and the store.

use std::borrow::Cow;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use pipeline::bucket::BucketSettings;
use rust_embed::RustEmbed;
use tower_http::set_header::SetResponseHeaderLayer;

/// The files of the page.
#[derive(RustEmbed)]
#[folder = "ui/"]
struct PageFiles;

const INDEX: &str = "index.html";

/// A file of the page, ready to be answered.
#[derive(Clone)]
struct PageFile {
    media_type: &'static str,
    etag: String,
    body: Bytes,
}

impl PageFile {
    fn new(path: &str, body: Cow<'static, [u8]>) -> Self {
        let media_type = match path.rsplit_once('.') {
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        // Weak, because the answer may be compressed.
        let etag = format!("W/\"{}\"", &blake3::hash(&body).to_hex()[..16]);
        let body = match body {
            Cow::Borrowed(body) => Bytes::from_static(body),
            Cow::Owned(body) => body.into(),
        };
        Self { media_type, etag, body }
    }

    /// The file, or 304 if the browser has this content. File names stay the same between releases,
    /// so a browser must ask every time.
    fn answer(self, request: &HeaderMap) -> Response {
        let known = request.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
        let is_known =
            known.is_some_and(|known| known.split(',').any(|known| known.trim() == self.etag));
        let headers = [
            (header::CONTENT_TYPE, self.media_type.to_owned()),
            (header::CACHE_CONTROL, "no-cache".to_owned()),
            (header::ETAG, self.etag),
        ];
        match is_known {
            true => (StatusCode::NOT_MODIFIED, headers).into_response(),
            false => (headers, self.body).into_response(),
        }
    }
}

/// The page at `/` and its files below `/ui/`, with a content security policy.
pub(super) fn router(bucket: &BucketSettings, uploads: bool) -> Router {
    let policy = HeaderValue::from_str(&policy(bucket, uploads))
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'self'"));
    let mut router = Router::new();
    for path in PageFiles::iter() {
        let Some(embedded) = PageFiles::get(&path) else { continue };
        let file = PageFile::new(&path, embedded.data);
        let address = if path == INDEX { "/".to_owned() } else { format!("/ui/{path}") };
        router = router
            .route(&address, get(async move |headers: HeaderMap| file.clone().answer(&headers)));
    }
    let set = |name, value| SetResponseHeaderLayer::overriding(name, value);
    router
        .layer(set(header::CONTENT_SECURITY_POLICY, policy))
        .layer(set(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")))
}

/// The content security policy: everything from here, pictures from the store too, uploads to it.
fn policy(bucket: &BucketSettings, uploads: bool) -> String {
    let store = store_origin(bucket);
    let uploads_to = if uploads { &store } else { "" };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; \
         img-src 'self' data: blob: {store}; connect-src 'self' {uploads_to}; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    )
}

/// The origin of links to originals.
fn store_origin(bucket: &BucketSettings) -> String {
    let public =
        if bucket.public_endpoint.is_empty() { &bucket.endpoint } else { &bucket.public_endpoint };
    let Ok(url) = url::Url::parse(public) else { return "https://*.amazonaws.com".to_owned() };
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let bucket_host = if bucket.path_style { String::new() } else { format!("{}.", bucket.name) };
    format!("{}://{bucket_host}{host}{port}", url.scheme())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The path that `file` imports by this address; `None` for an address of something else.
    fn imported(file: &str, address: &str) -> Option<String> {
        if let Some(path) = address.strip_prefix("/ui/") {
            return Some(path.to_owned());
        }
        let is_module = address.starts_with('.') && address.ends_with(".js");
        let base = url::Url::parse("http://page/").ok()?.join(file).ok()?;
        let path = is_module.then(|| base.join(address).ok())??;
        Some(path.path().trim_start_matches('/').to_owned())
    }

    #[test]
    fn the_page_names_only_files_that_are_embedded() {
        let paths: Vec<_> = PageFiles::iter().collect();
        let mut imports = 0;
        for file in &paths {
            let text = PageFiles::get(file).unwrap().data;
            for address in String::from_utf8_lossy(&text).split(['"', '\'']) {
                let Some(path) = imported(file, address) else { continue };
                assert!(paths.iter().any(|known| *known == path), "{file} names {path}");
                imports += 1;
            }
        }
        assert!(imports > paths.len() && paths.iter().any(|path| path == INDEX), "{paths:?}");
    }
}
