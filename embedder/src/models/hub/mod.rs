//! A model hub: the files of a revision of a repository, and their content. It speaks the interface
//! of Hugging Face, as mirrors do too.

mod checksum;
mod error;
mod revision;

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Response, StatusCode, Url, header};
use secrecy::{ExposeSecret, SecretString};
use service::backoff::Backoff;
use service::http::client::{retry_after, root_cause};

pub(super) use checksum::Checksum;
pub(super) use error::HubError;

/// Endpoints, asked in this order, unless `HF_ENDPOINT` names others.
const ENDPOINTS: &str = "https://huggingface.co,https://hf-mirror.com";
/// Attempts of one request at one endpoint.
const ATTEMPTS: u32 = 5;
/// Longest pause that a server may ask for with `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// Characters of a file's path that are encoded in an address.
const IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest silence within an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A commit of a repository.
#[derive(Debug)]
pub(super) struct HubRevision {
    pub(super) repo: String,
    pub(super) commit: String,
    pub(super) files: Vec<HubFile>,
}

/// One file of a commit.
#[derive(Debug, Clone)]
pub(super) struct HubFile {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) checksum: Checksum,
}

/// The endpoints, and the token that they get.
pub(super) struct Hub {
    client: reqwest::Client,
    endpoints: Vec<String>,
    token: Option<SecretString>,
}

/// A request that any endpoint can answer.
struct HubRequest<'a> {
    repo: &'a str,
    /// Path and query, after the endpoint.
    path: String,
    /// First byte asked for.
    from: u64,
    /// What is asked for, in errors.
    what: &'a str,
}

impl Hub {
    /// Takes the endpoints from `HF_ENDPOINT`, the token from `HF_TOKEN`, and a proxy from
    /// `HTTPS_PROXY`.
    ///
    /// # Errors
    /// `HF_ENDPOINT` holds something else than addresses.
    pub(super) fn from_environment() -> anyhow::Result<Self> {
        let set = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let endpoints = set("HF_ENDPOINT").unwrap_or_else(|| ENDPOINTS.to_owned());
        let endpoints = endpoints.split(',').map(|text| {
            let text = text.trim().trim_end_matches('/');
            let usable = Url::parse(text)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            if usable { Ok(text.to_owned()) } else { Err(HubError::Endpoint(text.to_owned())) }
        });
        let client = reqwest::Client::builder()
            .user_agent(concat!("bucketlens/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()?;
        Ok(Self {
            client,
            endpoints: endpoints.collect::<Result<_, _>>()?,
            token: set("HF_TOKEN").map(SecretString::from),
        })
    }

    /// The content of a file from byte `from` on: status 206. A server without ranges answers with
    /// the whole content: status 200.
    ///
    /// # Errors
    /// No endpoint gives the file.
    pub(super) async fn content(
        &self,
        revision: &HubRevision,
        path: &str,
        from: u64,
    ) -> Result<Response, HubError> {
        let HubRevision { repo, commit, .. } = revision;
        let what = format!("file {path} in {repo}");
        let path = format!("/{repo}/resolve/{commit}/{}", utf8_percent_encode(path, IN_PATHS));
        self.get(&HubRequest { repo, path, from, what: &what }).await
    }

    /// Asks one endpoint after the other until one answers.
    async fn get(&self, request: &HubRequest<'_>) -> Result<Response, HubError> {
        let mut failed = None;
        for endpoint in &self.endpoints {
            match self.ask_again(endpoint, request).await {
                Ok(answer) => return Ok(answer),
                // The error of the first endpoint is the one to show: mirrors often lack gated
                // files.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| HubError::Endpoint(String::new())))
    }

    /// Asks one endpoint, several times if it is busy or cannot be reached.
    async fn ask_again(
        &self,
        endpoint: &str,
        request: &HubRequest<'_>,
    ) -> Result<Response, HubError> {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(8));
        let mut attempt = 1;
        loop {
            let (error, asked) = match self.ask(endpoint, request).await {
                Ok(answer) => return Ok(answer),
                Err((error, _)) if attempt == ATTEMPTS || !error.may_pass() => return Err(error),
                Err(failed) => failed,
            };
            attempt += 1;
            let pause = asked.unwrap_or_else(|| backoff.pause()).min(LONGEST_PAUSE);
            tracing::warn!(%error, ?pause, attempt, "asking again");
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks one endpoint once. An error comes with the pause that the server asks for.
    async fn ask(
        &self,
        endpoint: &str,
        request: &HubRequest<'_>,
    ) -> Result<Response, (HubError, Option<Duration>)> {
        let &HubRequest { repo, ref path, from, what } = request;
        let mut sent = self.client.get(format!("{endpoint}{path}"));
        if from > 0 {
            sent = sent.header(header::RANGE, format!("bytes={from}-"));
        }
        if let Some(token) = &self.token {
            // The client leaves the token out when a redirect leads to another host.
            sent = sent.bearer_auth(token.expose_secret());
        }
        let (endpoint, what) = (endpoint.to_owned(), what.to_owned());
        let answer = match sent.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let reason = root_cause(&error);
                return Err((HubError::Unreachable { endpoint, reason }, None));
            }
        };
        let error = match answer.status() {
            // 416, a range beyond the end: the caller sees it in the status.
            StatusCode::RANGE_NOT_SATISFIABLE => return Ok(answer),
            status if status.is_success() => return Ok(answer),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                HubError::Gated { endpoint, repo: repo.to_owned() }
            }
            StatusCode::NOT_FOUND => HubError::Missing { endpoint, what },
            status => HubError::Refused { endpoint, status, what },
        };
        Err((error, retry_after(answer.headers())))
    }
}
