//! The same-origin check, against cross-site request forgery: another web site must not act through
//! the browser of a user who can reach this server. Requests that change something are accepted
//! from our own page and from programs, which send none of the headers that browsers send.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

// Every browser since 2023 sends it to addresses that it trusts (https, localhost). No script can
// forge it.
const FETCH_SITE: &str = "sec-fetch-site";

/// Middleware: refuses requests that a browser sends for another site. Reading is allowed, because
/// the browser does not show the answer to the other site.
pub async fn check(request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        && is_foreign(request.headers())
    {
        let detail =
            "requests from other web sites are refused (a proxy must pass the Host header on)";
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    next.run(request).await
}

fn is_foreign(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(FETCH_SITE) {
        return site != "same-origin" && site != "none";
    }
    // To other addresses browsers send only this header.
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let from = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, from)| from.as_bytes());
    from.is_none() || from != headers.get(header::HOST).map(|host| host.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_sites_are_told_by_what_browsers_send() {
        let foreign = |sent: &[(&'static str, &'static str)]| {
            is_foreign(
                &sent
                    .iter()
                    .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                    .collect(),
            )
        };
        let host = ("host", "10.0.0.5:8080");
        assert!(!foreign(&[host]), "a program");
        assert!(!foreign(&[host, ("origin", "http://10.0.0.5:8080")]));
        assert!(
            !foreign(&[
                host,
                ("sec-fetch-site", "same-origin"),
                ("origin", "https://pictures.example")
            ]),
            "behind a proxy"
        );
        for origin in ["http://evil.example", "http://10.0.0.5", "http://10.0.0.5:8081", "null", ""]
        {
            assert!(foreign(&[host, ("origin", origin)]), "{origin}");
        }
        for site in ["cross-site", "same-site", "nonsense", ""] {
            assert!(
                foreign(&[host, ("sec-fetch-site", site), ("origin", "http://10.0.0.5:8080")]),
                "{site}"
            );
        }
    }
}
