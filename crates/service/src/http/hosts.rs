//! The host check, against DNS rebinding: a web site lets its own name lead to the address of this
//! server, and the browser then takes this server for a part of that site. Such a request names the
//! site in its `Host` header, so only known names are answered.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// In `http.hosts`: every host.
const EVERY: &str = "*";
/// Longest name of DNS.
const MOST_BYTES: usize = 253;

/// The hosts that requests may name. IP addresses, `localhost` and names below it are always among
/// them: no other site can have them. Clones share the names.
#[derive(Debug, Clone)]
pub struct AllowedHosts {
    every: bool,
    names: Arc<[String]>,
}

impl AllowedHosts {
    /// The hosts of the setting `http.hosts` and of addresses that other settings give this server.
    /// Each is a name or an address; what is neither adds nothing.
    pub fn new(names: &[String], own_addresses: &[&str]) -> Self {
        let given = names.iter().map(String::as_str).chain(own_addresses.iter().copied());
        let names: Vec<_> = given.filter_map(name_of).collect();
        Self { every: names.iter().any(|name| name == EVERY), names: names.into() }
    }

    /// Whether a request may name this host, given with or without a port.
    fn allow(&self, given: &str) -> bool {
        let Ok(authority) = given.parse::<Authority>() else { return self.every };
        let host = plain(authority.host());
        let is_v6 = || {
            let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            inside.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        };
        self.every
            || host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<Ipv4Addr>().is_ok()
            || is_v6()
            || self.names.contains(&host)
    }
}

/// Lower case, without the dot that closes a full name.
fn plain(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// The host of an entry of `http.hosts`: a name, or an address such as
/// `https://pictures.example.org`. `None` if it is neither.
pub(super) fn name_of(text: &str) -> Option<String> {
    if text.contains("://") {
        return text.parse::<Uri>().ok()?.host().map(plain);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_name = !text.is_empty()
        && text.len() <= MOST_BYTES
        && text.chars().all(allowed)
        && text.split('.').all(|label| !label.is_empty());
    (is_name || text == EVERY).then(|| plain(text))
}

/// Middleware: answers 421 to requests for other hosts. A request without a `Host` header passes:
/// browsers always send it.
pub async fn check(State(hosts): State<AllowedHosts>, request: Request, next: Next) -> Response {
    let sent = request.headers().get_all(header::HOST);
    let named = sent.iter().map(|host| host.to_str().unwrap_or_default());
    // The address of a request in absolute form wins over the header.
    let in_address = request.uri().authority().map(Authority::as_str);
    let refused = named.chain(in_address).find(|host| !hosts.allow(host)).map(str::to_owned);
    match refused {
        None => next.run(request).await,
        Some(host) => {
            let detail = format!(
                "this server does not answer for the host '{host}': add its name to http.hosts"
            );
            Problem::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use tower::ServiceExt;

    use super::*;

    fn hosts(names: &[&str], own: &[&str]) -> AllowedHosts {
        let names: Vec<_> = names.iter().map(|name| String::from(*name)).collect();
        AllowedHosts::new(&names, own)
    }

    #[test]
    fn only_names_that_no_other_site_can_have_are_allowed_by_themselves() {
        let none = hosts(&[], &[]);
        for own in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "10.1.2.3:80",
            "[::1]",
            "[::1]:8080",
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "pictures.localhost:8080",
        ] {
            assert!(none.allow(own), "{own}");
        }
        for other in [
            "evil.example",
            "evil.example:8080",
            "searcher",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "127.1",
            "",
            "a b",
            "[evil]",
            "::1",
        ] {
            assert!(!none.allow(other), "{other}");
        }
    }

    #[test]
    fn names_of_the_settings_are_allowed_with_any_port() {
        let named = hosts(&["Pictures.Example.org"], &["http://ingest:8081", "", "no address"]);
        for name in ["pictures.example.org", "PICTURES.example.org.:443", "ingest:8081", "ingest"] {
            assert!(named.allow(name), "{name}");
        }
        assert!(!named.allow("example.org") && !named.allow("a.pictures.example.org"));
        assert!(hosts(&["*"], &[]).allow("evil.example"));
    }

    #[test]
    fn a_setting_is_a_name_or_an_address() {
        for (given, name) in [
            ("*", "*"),
            ("searcher", "searcher"),
            ("Pictures.example.org", "pictures.example.org"),
            ("https://Pictures.example.org:8443/", "pictures.example.org"),
            ("http://127.0.0.1:8080", "127.0.0.1"),
        ] {
            assert_eq!(name_of(given).as_deref(), Some(name), "{given}");
        }
        for wrong in ["", "http://", "a:80", "a/b", "*.example.org", ".a", "a.", "bücher.example"]
        {
            assert_eq!(name_of(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_request_for_another_host_is_refused_in_whatever_form() {
        let router = Router::new()
            .fallback(async || "here")
            .layer(from_fn_with_state(hosts(&[], &[]), check));
        let status = async |uri: &str, sent: &[&str]| {
            let mut request = Request::builder().uri(uri);
            for host in sent {
                request = request.header(header::HOST, *host);
            }
            let request = request.body(Body::empty()).unwrap();
            router.clone().oneshot(request).await.unwrap().status()
        };
        assert_eq!(status("/", &[]).await, StatusCode::OK);
        assert_eq!(status("/", &["127.0.0.1:80"]).await, StatusCode::OK);
        assert_eq!(status("http://localhost/", &["localhost"]).await, StatusCode::OK);
        for (uri, sent) in [
            ("/", &["evil.example"][..]),
            ("/", &["localhost", "evil.example"]),
            ("http://evil.example/", &["localhost"]),
        ] {
            assert_eq!(status(uri, sent).await, StatusCode::MISDIRECTED_REQUEST, "{uri} {sent:?}");
        }
    }
}
