//! Query pictures that are given by their address: fetched here, from the public internet only
//! unless settings say otherwise, with limits of bytes, time and number.

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
/// Of a host that may not be asked the same is said as of one that does not exist.
const NOWHERE: &str = "leads nowhere: its host is unknown, does not answer, or is not public";
/// Longer addresses are no addresses of pictures.
pub(crate) const MOST_CHARACTERS: usize = 2048;
const MOST_REDIRECTS: usize = 3;
/// The pages of a search need its picture again.
const KEPT_FOR: Duration = Duration::from_secs(300);
const KEPT_BYTES: u64 = 64 << 20;

/// Why a picture was not fetched. Nothing of it tells what there is in networks that may not be
/// asked.
#[derive(Debug, thiserror::Error)]
enum Failure {
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

impl From<&Failure> for Problem {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, failure),
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
    // Other sites may be slow: they shall not have all turns.
    places: Semaphore,
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
            // Limits are of what is sent.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            // A proxy would resolve names itself.
            .no_proxy()
            // Connections to other sites are not kept.
            .pool_max_idle_per_host(0)
            .build()?;
        let size = |_: &Url, bytes: &Bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Ok(Self {
            enabled: settings.enabled,
            client,
            networks,
            timeout: settings.timeout,
            max_bytes: search.max_image_bytes,
            places: Semaphore::new((search.max_concurrent / 4).max(1)),
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

    /// What lies at an address, as it is: it need not be a picture.
    ///
    /// # Errors
    /// It may not be asked, does not answer, or answers something else or too much.
    pub(crate) async fn fetch(&self, url: &Url) -> Result<Bytes, Problem> {
        let fetched = self.recent.try_get_with_by_ref(url, self.ask(url)).await;
        fetched.map_err(|failure| Problem::from(failure.as_ref()))
    }

    async fn ask(&self, url: &Url) -> Result<Bytes, Failure> {
        if !self.enabled {
            return Err(Failure::Off);
        }
        check(&self.networks, url).map_err(Failure::Refused)?;
        let _place = self.places.try_acquire().map_err(|_| Failure::Busy)?;
        let mut answer =
            self.client.get(url.clone()).send().await.map_err(|error| self.reason(&error))?;
        if answer.status() != StatusCode::OK {
            return Err(Failure::Status(answer.status()));
        }
        let mut bytes = Vec::new();
        let announced = answer.content_length().unwrap_or(0);
        if announced > self.max_bytes as u64 {
            return Err(Failure::TooLarge(self.max_bytes));
        }
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.reason(&error))? {
            if bytes.len() + chunk.len() > self.max_bytes {
                return Err(Failure::TooLarge(self.max_bytes));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.into())
    }

    fn reason(&self, error: &reqwest::Error) -> Failure {
        match error {
            error if error.is_timeout() => Failure::Late(self.timeout),
            error if error.is_redirect() => {
                Failure::Refused("leads on to where it may not lead, or too often")
            }
            error if error.is_connect() => Failure::Refused(NOWHERE),
            _ => Failure::BrokenOff,
        }
    }
}

fn follow(networks: &Networks, attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.previous().len() > MOST_REDIRECTS {
        return attempt.error("too many redirects");
    }
    match check(networks, attempt.url()) {
        Ok(()) => attempt.follow(),
        Err(reason) => attempt.error(reason),
    }
}

/// Whether an address may be asked as far as it can be seen: what its name means is seen when it is
/// resolved.
fn check(networks: &Networks, url: &Url) -> Result<(), &'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with https:// or http://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a name or a password");
    }
    // Others understand what looks like a request, too: mail servers, databases.
    if url.port().is_some_and(|port| port < 1024 && port != 80 && port != 443) {
        return Err("must not name a port below 1024, but 80 and 443");
    }
    let may_be = match url.host() {
        Some(Host::Ipv4(address)) => networks.hold(address.into()),
        Some(Host::Ipv6(address)) => networks.hold(address.into()),
        Some(Host::Domain(_)) => true,
        None => false,
    };
    if may_be { Ok(()) } else { Err(NOWHERE) }
}
