//! A model hub: which files a revision of a repository holds, with size and checksum, and their
//! content. The interface is that of Hugging Face, which mirrors speak as well.

use std::time::Duration;

use reqwest::{Response, StatusCode, Url, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use service::backoff::Backoff;

/// Asked in this order where `HF_ENDPOINT` says nothing.
const ENDPOINTS: &str = "https://huggingface.co,https://hf-mirror.com";
/// Tries of one request at one endpoint.
const ATTEMPTS: u32 = 5;
/// Longest pause a server may ask for with `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest silence within an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Most entries of a repository that are looked at: real ones have tens.
const MOST_PAGES: usize = 20;
/// Largest description of a repository that is read.
const MOST_DESCRIPTION: usize = 8 << 20;

/// Why the hub did not help.
#[derive(Debug, thiserror::Error)]
pub(super) enum HubError {
    #[error(
        "`HF_ENDPOINT` holds `{0}`, which is no http or https address; separate several by commas"
    )]
    Endpoint(String),
    #[error(
        "{endpoint} cannot be reached: {reason}; check the network, or name a mirror in HF_ENDPOINT"
    )]
    Unreachable { endpoint: String, reason: String },
    #[error(
        "{endpoint} gives the files of {repo} only to those whom its owner knows: sign up and accept the licence at \
         {endpoint}/{repo}, make a token there and set it as HF_TOKEN"
    )]
    Gated { endpoint: String, repo: String },
    #[error("{endpoint} has no {what}")]
    Missing { endpoint: String, what: String },
    #[error(
        "{endpoint} answers {status} for {what}; try again later, or name a mirror in HF_ENDPOINT"
    )]
    Refused { endpoint: String, status: StatusCode, what: String },
    #[error("{endpoint} describes {what} in a way that is not understood: {reason}")]
    Garbled { endpoint: String, what: String, reason: String },
}

/// A commit of a repository.
#[derive(Debug)]
pub(super) struct Revision {
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

/// How a hub knows a file: large ones by their SHA-256, small ones by their name in git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checksum {
    Sha256(String),
    /// SHA-1 of `blob`, space, size, a zero byte, content.
    GitBlob(String),
}

/// The endpoints to ask, and as whom.
pub(super) struct Hub {
    client: reqwest::Client,
    endpoints: Vec<String>,
    token: Option<SecretString>,
}

impl Hub {
    /// Endpoints from `HF_ENDPOINT`, token from `HF_TOKEN`.
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

    /// The commit that a branch or tag stands for now, with all its files.
    pub(super) async fn revision(&self, repo: &str, revision: &str) -> Result<Revision, HubError> {
        #[derive(Deserialize)]
        struct Described {
            sha: String,
        }
        #[derive(Deserialize)]
        struct Listed {
            r#type: String,
            path: String,
            size: u64,
            oid: String,
            lfs: Option<Large>,
        }
        #[derive(Deserialize)]
        struct Large {
            oid: String,
            size: u64,
        }
        let what = format!("revision `{revision}` of {repo}");
        let described =
            self.get(repo, &format!("/api/models/{repo}/revision/{revision}"), 0, &what).await?;
        let commit = json::<Described>(described, &what).await?.sha;
        let mut files = Vec::new();
        let mut next = Some(format!("/api/models/{repo}/tree/{commit}?recursive=true"));
        for _ in 0..MOST_PAGES {
            let Some(page) = next.take() else { break };
            let answer = self.get(repo, &page, 0, &what).await?;
            next = next_page(&answer);
            for Listed { path, size, oid, lfs, .. } in json::<Vec<Listed>>(answer, &what)
                .await?
                .into_iter()
                .filter(|entry| entry.r#type == "file")
            {
                files.push(match lfs {
                    Some(Large { oid, size }) => {
                        HubFile { path, bytes: size, checksum: Checksum::Sha256(oid) }
                    }
                    None => HubFile { path, bytes: size, checksum: Checksum::GitBlob(oid) },
                });
            }
        }
        Ok(Revision { commit, files })
    }

    /// The content of a file from byte `from` on, or from its beginning where the server knows no
    /// ranges: the status says.
    pub(super) async fn content(
        &self,
        repo: &str,
        commit: &str,
        path: &str,
        from: u64,
    ) -> Result<Response, HubError> {
        let address: String = path.split('/').map(|part| format!("/{}", encoded(part))).collect();
        self.get(
            repo,
            &format!("/{repo}/resolve/{commit}{address}"),
            from,
            &format!("file {path} in {repo}"),
        )
        .await
    }

    /// Asks one endpoint after the other, each several times, until one answers.
    async fn get(
        &self,
        repo: &str,
        path: &str,
        from: u64,
        what: &str,
    ) -> Result<Response, HubError> {
        let mut failed = None;
        for endpoint in &self.endpoints {
            match self.ask(endpoint, repo, path, from, what).await {
                Ok(answer) => return Ok(answer),
                // What the first endpoint says is what the user wants to know; mirrors often lack
                // gated files.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| HubError::Endpoint(String::new())))
    }

    async fn ask(
        &self,
        endpoint: &str,
        repo: &str,
        path: &str,
        from: u64,
        what: &str,
    ) -> Result<Response, HubError> {
        let owned = |text: &str| text.to_owned();
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(8));
        let mut attempt = 1;
        loop {
            let mut request = self.client.get(format!("{endpoint}{path}"));
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            if let Some(token) = &self.token {
                // The client leaves it out where a redirection leads to another host.
                request = request.bearer_auth(token.expose_secret());
            }
            let (error, pause) = match request.send().await {
                Ok(answer) => match answer.status() {
                    // A range beyond the end is for who asked for it to understand.
                    status
                        if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE =>
                    {
                        return Ok(answer);
                    }
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                        return Err(HubError::Gated {
                            endpoint: owned(endpoint),
                            repo: owned(repo),
                        });
                    }
                    StatusCode::NOT_FOUND => {
                        return Err(HubError::Missing {
                            endpoint: owned(endpoint),
                            what: owned(what),
                        });
                    }
                    status => {
                        let error = HubError::Refused {
                            endpoint: owned(endpoint),
                            status,
                            what: owned(what),
                        };
                        if !(status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS) {
                            return Err(error);
                        }
                        (error, asked_pause(&answer))
                    }
                },
                Err(error) => (
                    HubError::Unreachable { endpoint: owned(endpoint), reason: reason(&error) },
                    None,
                ),
            };
            if attempt == ATTEMPTS {
                return Err(error);
            }
            attempt += 1;
            let pause = pause.unwrap_or_else(|| backoff.pause()).min(LONGEST_PAUSE);
            tracing::warn!(%error, ?pause, attempt, "asking again");
            tokio::time::sleep(pause).await;
        }
    }
}

async fn json<T: DeserializeOwned>(mut answer: Response, what: &str) -> Result<T, HubError> {
    let endpoint = answer.url().host_str().unwrap_or_default().to_owned();
    let garbled = |reason: String| HubError::Garbled {
        endpoint: endpoint.clone(),
        what: what.to_owned(),
        reason,
    };
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| garbled(reason(&error)))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_DESCRIPTION {
            return Err(garbled(format!("it is longer than {MOST_DESCRIPTION} bytes")));
        }
    }
    serde_json::from_slice(&bytes).map_err(|error| garbled(error.to_string()))
}

/// Path and query of the page that `Link: <…>; rel="next"` names.
fn next_page(answer: &Response) -> Option<String> {
    let link = answer.headers().get(header::LINK)?.to_str().ok()?;
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let address = next.split('<').nth(1)?.split('>').next()?;
    let url = answer.url().join(address).ok()?;
    Some(format!("{}?{}", url.path(), url.query().unwrap_or_default()))
}

fn asked_pause(answer: &Response) -> Option<Duration> {
    answer
        .headers()
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

/// The innermost cause: the outer ones only repeat the address.
pub(super) fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn encoded(part: &str) -> String {
    percent_encoding::utf8_percent_encode(part, percent_encoding::NON_ALPHANUMERIC)
        .to_string()
        .replace("%2E", ".")
        .replace("%5F", "_")
}
