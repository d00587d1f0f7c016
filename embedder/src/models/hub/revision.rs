//! What a hub says about a revision of a repository: its commit, and its files with size and
//! checksum.

use reqwest::{Response, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use service::http::client::root_cause;

use super::{Checksum, Hub, HubError, HubFile, HubRequest, HubRevision};

/// Most pages of a repository's list of files that are read. Real repositories have one.
const MOST_PAGES: usize = 20;
/// Most bytes of one answer that are read.
const MOST_BYTES: usize = 8 << 20;

#[derive(Deserialize)]
struct RevisionInfo {
    sha: String,
}

#[derive(Deserialize)]
struct TreeEntry {
    r#type: String,
    path: String,
    size: u64,
    oid: String,
    lfs: Option<LfsPointer>,
}

/// A large file: git holds a pointer to it, whose size and name the entry gives.
#[derive(Deserialize)]
struct LfsPointer {
    oid: String,
    size: u64,
}

impl From<TreeEntry> for HubFile {
    fn from(entry: TreeEntry) -> Self {
        let TreeEntry { path, size, oid, lfs, .. } = entry;
        match lfs {
            Some(LfsPointer { oid, size }) => {
                Self { path, bytes: size, checksum: Checksum::Sha256(oid) }
            }
            None => Self { path, bytes: size, checksum: Checksum::GitBlob(oid) },
        }
    }
}

impl Hub {
    /// The commit that a branch or tag points to now, with all its files.
    ///
    /// # Errors
    /// No endpoint has the revision, or describes it in a form that we can read.
    pub(in crate::models) async fn revision(
        &self,
        repo: &str,
        revision: &str,
    ) -> Result<HubRevision, HubError> {
        let what = format!("revision `{revision}` of {repo}");
        let ask = |path: String| {
            let request = HubRequest { repo, path, from: 0, what: &what };
            async move { self.get(&request).await }
        };
        let info = ask(format!("/api/models/{repo}/revision/{revision}")).await?;
        let commit = json::<RevisionInfo>(info, &what).await?.sha;
        let mut files = Vec::new();
        let mut next = Some(format!("/api/models/{repo}/tree/{commit}?recursive=true"));
        for _ in 0..MOST_PAGES {
            let Some(page) = next.take() else { break };
            let answer = ask(page).await?;
            next = next_page(&answer);
            let entries = json::<Vec<TreeEntry>>(answer, &what).await?;
            let of_files = entries.into_iter().filter(|entry| entry.r#type == "file");
            files.extend(of_files.map(HubFile::from));
        }
        Ok(HubRevision { repo: repo.to_owned(), commit, files })
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
    while let Some(chunk) = answer.chunk().await.map_err(|error| garbled(root_cause(&error)))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_BYTES {
            return Err(garbled(format!("it is longer than {MOST_BYTES} bytes")));
        }
    }
    serde_json::from_slice(&bytes).map_err(|error| garbled(error.to_string()))
}

/// Path and query of the next page, from `Link: <…>; rel="next"`. The host in it is ignored: a
/// mirror may name the original.
fn next_page(answer: &Response) -> Option<String> {
    let link = answer.headers().get(header::LINK)?.to_str().ok()?;
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let address = next.split('<').nth(1)?.split('>').next()?;
    let url = answer.url().join(address).ok()?;
    Some(format!("{}?{}", url.path(), url.query().unwrap_or_default()))
}
