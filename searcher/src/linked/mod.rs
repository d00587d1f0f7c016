//! Query pictures that are given by their address. They are fetched here, with limits on bytes,
//! time and number. Only addresses of the public internet are asked, unless the settings allow more
//! networks (protection against server-side request forgery).

mod networks;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use moka::future::Cache;
use reqwest::redirect::{Attempt, Policy};
use tokio::sync::Semaphore;
use url::{Host, Url};

use self::networks::Networks;
use crate::problem::Problem;
use crate::settings::{ImageUrlSettings, SearchSettings};

const FIELD: &str = "image_url";
/// The same sentence for a host that may not be asked and for one that does not exist, so that
/// nobody learns which hosts exist.
const NOWHERE: &str = "leads nowhere: its host is unknown, does not answer, or is not public";
/// Longest address of a picture.
pub(crate) const MAX_URL_BYTES: usize = 2048;
const MAX_REDIRECTS: usize = 3;
/// How long a picture is cached: every page of a search needs it.
const KEPT_FOR: Duration = Duration::from_secs(300);
const KEPT_BYTES: u64 = 64 << 20;

/// Why a picture was not fetched. No sentence reveals what exists in networks that may not be
/// asked.
#[derive(Debug, thiserror::Error)]
enum FetchFailure {
    #[error("is not fetched here (image_urls.enabled is off): send the picture itself")]
    Off,
    #[error("{0}")]
    Refused(&'static str),
    #[error("did not come within {0:?}")]
    Late(Duration),
    #[error("broke off")]
    BrokenOff,
    #[error("is answered {0}")]
    Status(StatusCode),
    #[error("is larger than {0} bytes")]
    TooLarge(usize),
    #[error("too many pictures are being fetched at once; try again later")]
    Busy,
}

impl From<&FetchFailure> for Problem {
    fn from(failure: &FetchFailure) -> Self {
        match failure {
            FetchFailure::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, failure),
            _ => Self::field(FIELD, failure),
        }
    }
}

/// Fetches pictures of other sites.
pub(crate) struct Fetcher {
    enabled: bool,
    client: reqwest::Client,
    networks: Networks,
    timeout: Duration,
    max_bytes: usize,
    // Bulkhead: slow sites must not take all of `search.max_concurrent`.
    permits: Semaphore,
    recent: Cache<Url, Bytes>,
}

impl Fetcher {
    /// # Errors
    /// The HTTP client cannot be made.
    pub(crate) fn new(
        settings: &ImageUrlSettings,
        search: &SearchSettings,
    ) -> anyhow::Result<Self> {
        let networks = Networks::new(&settings.networks()?);
        let follows = networks.clone();
        let client = reqwest::Client::builder()
            .user_agent(concat!("bucketlens/", env!("CARGO_PKG_VERSION")))
            .timeout(settings.timeout)
            .dns_resolver(Arc::new(networks.clone()))
            .redirect(Policy::custom(move |attempt| follow(&follows, attempt)))
            .referer(false)
            // The limit on bytes is meant for the bytes that are sent.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            // A proxy would resolve names itself, past our check.
            .no_proxy()
            // No idle connections to other sites.
            .pool_max_idle_per_host(0)
            .build()?;
        let size = |_: &Url, bytes: &Bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Ok(Self {
            enabled: settings.enabled,
            client,
            networks,
            timeout: settings.timeout,
            max_bytes: search.max_image_bytes,
            permits: Semaphore::new((search.max_concurrent / 4).max(1)),
            recent: Cache::builder()
                .weigher(size)
                .max_capacity(KEPT_BYTES)
                .time_to_live(KEPT_FOR)
                .build(),
        })
    }

    /// Whether pictures are fetched at all.
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The bytes at an address. They need not be a picture.
    ///
    /// # Errors
    /// The address may not be asked, does not answer with 200, or answers too many bytes.
    pub(crate) async fn fetch(&self, url: &Url) -> Result<Bytes, Problem> {
        let fetched = self.recent.try_get_with_by_ref(url, self.ask(url)).await;
        fetched.map_err(|failure| Problem::from(failure.as_ref()))
    }

    async fn ask(&self, url: &Url) -> Result<Bytes, FetchFailure> {
        if !self.enabled {
            return Err(FetchFailure::Off);
        }
        check(&self.networks, url).map_err(FetchFailure::Refused)?;
        let _permit = self.permits.try_acquire().map_err(|_| FetchFailure::Busy)?;
        let mut answer =
            self.client.get(url.clone()).send().await.map_err(|error| self.reason(&error))?;
        if answer.status() != StatusCode::OK {
            return Err(FetchFailure::Status(answer.status()));
        }
        let mut bytes = Vec::new();
        let announced = answer.content_length().unwrap_or(0);
        if announced > self.max_bytes as u64 {
            return Err(FetchFailure::TooLarge(self.max_bytes));
        }
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.reason(&error))? {
            if bytes.len() + chunk.len() > self.max_bytes {
                return Err(FetchFailure::TooLarge(self.max_bytes));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.into())
    }

    fn reason(&self, error: &reqwest::Error) -> FetchFailure {
        match error {
            error if error.is_timeout() => FetchFailure::Late(self.timeout),
            error if error.is_redirect() => {
                FetchFailure::Refused("leads on to where it may not lead, or too often")
            }
            error if error.is_connect() => FetchFailure::Refused(NOWHERE),
            _ => FetchFailure::BrokenOff,
        }
    }
}

fn follow(networks: &Networks, attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error("too many redirects");
    }
    match check(networks, attempt.url()) {
        Ok(()) => attempt.follow(),
        Err(reason) => attempt.error(reason),
    }
}

/// Checks an address without resolving its name; the resolver checks what the name leads to.
fn check(networks: &Networks, url: &Url) -> Result<(), &'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with https:// or http://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a name or a password");
    }
    // Servers of other protocols (mail, databases) may understand a request, too.
    if url.port().is_some_and(|port| port < 1024 && port != 80 && port != 443) {
        return Err("must not name a port below 1024, but 80 and 443");
    }
    let may_be = match url.host() {
        Some(Host::Ipv4(address)) => networks.contain(address.into()),
        Some(Host::Ipv6(address)) => networks.contain(address.into()),
        Some(Host::Domain(_)) => true,
        None => false,
    };
    if may_be { Ok(()) } else { Err(NOWHERE) }
}
