//! The store probe: refuses a store on which concurrent commits would lose rows.
//!
//! A commit is a PUT with `If-None-Match: *`. A store that ignores the header, or that checks it
//! and writes in two steps, answers "created" to two writers. The last one wins, and the other's
//! rows are lost without any error.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload, WriteMultipart};

use crate::location::Location;

const ROUNDS: usize = 20;
const WRITERS: usize = 16;
// Two parts above the protocol's least part size, and a remainder.
const MULTIPART_BYTES: usize = 12 << 20;

/// Why a store cannot hold the tables.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// A request failed.
    #[error("the store probe cannot {what} below {uri}: {source}")]
    Request {
        /// What was attempted.
        what: &'static str,
        /// Where.
        uri: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// The store answered wrongly.
    #[error(
        "the store at {uri} must not hold the tables: {problem}. See the list of stores in the \
         README"
    )]
    Unsafe {
        /// Where.
        uri: String,
        /// What it did.
        problem: String,
    },
}

struct Probe {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    uri: String,
}

/// Checks that the store creates keys atomically, also under concurrency; that it lists
/// consistently, in byte order and with ETags; and that multipart uploads and ranged reads work.
/// Takes about a second. Works in a folder of its own below the tables and removes it.
///
/// # Errors
/// The store failed a check or did not answer.
pub async fn probe(location: &Location) -> Result<(), ProbeError> {
    let uri = location.uri.clone();
    let request = |what| {
        let uri = uri.clone();
        move |source| ProbeError::Request { what, uri, source }
    };
    let (store, folder) = location.store().map_err(request("reach the store"))?;
    let folder = folder.join("probe").join(uuid::Uuid::new_v4().simple().to_string());
    let probe = Probe { store, folder, uri };
    let result = probe.run().await;
    let cleaned = probe.clean_up().await;
    result.and(cleaned)
}

impl Probe {
    async fn run(&self) -> Result<(), ProbeError> {
        self.creates_once().await?;
        self.lists_in_order().await?;
        self.reads_ranges_of_multipart().await
    }

    async fn creates_once(&self) -> Result<(), ProbeError> {
        for round in 0..ROUNDS {
            let key = self.folder.clone().join(format!("create-{round}"));
            let attempts = (0..WRITERS).map(|writer| {
                let (key, body) = (&key, format!("writer {writer}"));
                async move {
                    self.store.put_opts(key, PutPayload::from(body), PutMode::Create.into()).await
                }
            });
            let mut winners = Vec::new();
            for (writer, result) in join_all(attempts).await.into_iter().enumerate() {
                match result {
                    Ok(_) => winners.push(writer),
                    Err(
                        object_store::Error::AlreadyExists { .. }
                        | object_store::Error::Precondition { .. },
                    ) => {}
                    Err(source) => return Err(self.failed("create a key", source)),
                }
            }
            let [winner] = winners.as_slice() else {
                let count = winners.len();
                return Err(self.unsafe_store(format!(
                    "{count} of {WRITERS} concurrent creates of one key succeeded, not exactly one"
                )));
            };
            let body = self.store.get(&key).await.map_err(|e| self.failed("read a key", e))?;
            let body = body.bytes().await.map_err(|e| self.failed("read a key", e))?;
            if body != format!("writer {winner}").as_bytes() {
                return Err(
                    self.unsafe_store("a concurrent create overwrote the one that had succeeded")
                );
            }
            let again =
                self.store.put_opts(&key, PutPayload::from("again"), PutMode::Create.into()).await;
            if again.is_ok() {
                return Err(self
                    .unsafe_store("it ignores If-None-Match: an existing key was created again"));
            }
        }
        Ok(())
    }

    async fn lists_in_order(&self) -> Result<(), ProbeError> {
        let folder = self.folder.clone().join("list");
        let names = ["b", "a", "a-", "a.b", "a0", "ab", "B", "_", "9"];
        for name in names {
            self.store
                .put(&folder.clone().join(name), "x".into())
                .await
                .map_err(|e| self.failed("write a key", e))?;
        }
        let listing: Vec<_> = self
            .store
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(|e| self.failed("list", e))?;
        let found: Vec<_> =
            listing.iter().filter_map(|object| object.location.filename()).collect();
        let expected: Vec<_> = BTreeSet::from(names).into_iter().collect();
        if found != expected {
            return Err(self.unsafe_store(format!(
                "a listing right after the writes gave {found:?}, not {expected:?}"
            )));
        }
        if listing.iter().any(|object| object.e_tag.is_none()) {
            return Err(self.unsafe_store("its listings carry no ETags"));
        }
        Ok(())
    }

    async fn reads_ranges_of_multipart(&self) -> Result<(), ProbeError> {
        let key = self.folder.clone().join("multipart");
        let body: Vec<u8> = (0..MULTIPART_BYTES).map(|i| (i / 7) as u8).collect();
        let upload = self
            .store
            .put_multipart(&key)
            .await
            .map_err(|e| self.failed("begin a multipart upload", e))?;
        let mut writer = WriteMultipart::new(upload);
        writer.write(&body);
        writer.finish().await.map_err(|e| self.failed("complete a multipart upload", e))?;
        let range: Range<u64> = 5_242_000..5_243_500;
        let part = self
            .store
            .get_range(&key, range.clone())
            .await
            .map_err(|e| self.failed("read a range", e))?;
        if part != body[range.start as usize..range.end as usize] {
            return Err(self.unsafe_store("a range of a multipart upload reads back differently"));
        }
        Ok(())
    }

    async fn clean_up(&self) -> Result<(), ProbeError> {
        let keys = self.store.list(Some(&self.folder)).map_ok(|object| object.location).boxed();
        let removed = self.store.delete_stream(keys).try_collect::<Vec<_>>().await;
        removed.map(|_| ()).map_err(|source| self.failed("delete its keys", source))
    }

    fn failed(&self, what: &'static str, source: object_store::Error) -> ProbeError {
        ProbeError::Request { what, uri: self.uri.clone(), source }
    }

    fn unsafe_store(&self, problem: impl Into<String>) -> ProbeError {
        ProbeError::Unsafe { uri: self.uri.clone(), problem: problem.into() }
    }
}
