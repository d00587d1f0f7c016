//! One `ingest` at a time: a lease in the bucket, taken and renewed with conditional writes. A
//! second instance waits and takes over when the lease has not been renewed for [`LIFETIME`].
//! Clocks are never compared: the one who waits watches whether the object changes, for as long as
//! its own clock says.

use std::future::Future;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pipeline::bucket::Only;
use pipeline::state::{StateError, StateStore};
use serde::{Deserialize, Serialize};
use service::health::Health;
use tokio_util::sync::CancellationToken;

/// Name of the state object.
const NAME: &str = "ingest";
/// A lease that has not been renewed for this long may be taken over.
const LIFETIME: Duration = Duration::from_secs(6);
const RENEWAL: Duration = Duration::from_secs(2);
// The holder stops before anyone else may start, by more than one request may be late.
const MARGIN: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_secs(1);

/// Who holds the lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// Different for every process.
    pub(crate) id: String,
    /// Where its HTTP interface is reached; empty if it has none.
    pub(crate) address: String,
    /// Process id, for people.
    pub(crate) process: u32,
    /// Since when it holds the lease, by its own clock; for people.
    pub(crate) since: Timestamp,
    // Makes every renewal another content, and so another ETag.
    renewals: u64,
}

impl Holder {
    /// This process, reached at `address`.
    pub(crate) fn new(address: String) -> Self {
        let (id, process) = (uuid::Uuid::new_v4().simple().to_string(), std::process::id());
        Self { id, address, process, since: Timestamp::now(), renewals: 0 }
    }
}

/// The right to act, until dropped or lost.
#[derive(Debug)]
pub(crate) struct Lease {
    state: StateStore,
    holder: Holder,
    etag: String,
}

/// What one attempt to take the lease found.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// It is ours.
    Taken(Lease),
    /// Someone else has it.
    Held(Holder),
}

/// Watches a lease that someone else holds, and takes it once it is abandoned.
#[derive(Debug)]
pub(crate) struct Candidate {
    state: StateStore,
    me: Holder,
    // The ETag as last seen, and since when it has been the same.
    seen: Option<(String, Instant)>,
}

impl Candidate {
    pub(crate) fn new(state: StateStore, me: Holder) -> Self {
        Self { state, me, seen: None }
    }

    /// Takes the lease if nobody holds it or its holder is gone.
    pub(crate) async fn attempt(&mut self) -> Result<Attempt, StateError> {
        let only = match self.state.get::<Holder>(NAME).await? {
            None => Only::IfAbsent,
            Some((holder, etag)) => {
                let since = match &self.seen {
                    Some((seen, since)) if *seen == etag => *since,
                    _ => self.seen.insert((etag.clone(), Instant::now())).1,
                };
                // Lost by being late, and nobody has taken it since: it is still ours.
                if since.elapsed() < LIFETIME && holder.id != self.me.id {
                    return Ok(Attempt::Held(holder));
                }
                Only::IfStill(etag)
            }
        };
        let holder = Holder { since: Timestamp::now(), ..self.me.clone() };
        Ok(match self.state.put(NAME, &holder, only).await? {
            Some(etag) => Attempt::Taken(Lease { state: self.state.clone(), holder, etag }),
            None => Attempt::Held(
                self.state.get(NAME).await?.map_or_else(|| self.me.clone(), |(holder, _)| holder),
            ),
        })
    }
}

impl Lease {
    /// Renews until the lease is lost: taken by another, or not renewed in time because the store
    /// is away. Returns why.
    async fn hold(&mut self) -> String {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(RENEWAL).await;
            let left = (LIFETIME - MARGIN).saturating_sub(renewed.elapsed());
            let begun = Instant::now();
            match tokio::time::timeout(left, self.renew()).await {
                Ok(Ok(true)) => renewed = begun,
                Ok(Ok(false)) => return "another ingest has taken over".to_owned(),
                Ok(Err(error)) if renewed.elapsed() < LIFETIME - MARGIN => {
                    tracing::warn!(%error, "the lease is not renewed yet")
                }
                Ok(Err(error)) => return format!("the lease could not be renewed: {error}"),
                Err(_) => return "the lease could not be renewed in time".to_owned(),
            }
        }
    }

    async fn renew(&mut self) -> Result<bool, StateError> {
        self.holder.renewals += 1;
        let renewed = self.state.put(NAME, &self.holder, Only::IfStill(self.etag.clone())).await?;
        match renewed {
            Some(etag) => self.etag = etag,
            None => {
                // A renewal that was given up on may have arrived all the same.
                match self.state.get::<Holder>(NAME).await? {
                    Some((holder, etag)) if holder.id == self.holder.id => self.etag = etag,
                    _ => return Ok(false),
                }
            }
        }
        Ok(true)
    }

    /// Gives the lease back, so that the next one need not wait.
    pub(crate) async fn give_back(self) {
        match self.state.get::<Holder>(NAME).await {
            Ok(Some((holder, _))) if holder.id == self.holder.id => {
                if let Err(error) = self.state.delete(NAME).await {
                    tracing::warn!(%error, "the lease could not be given back, it expires by itself");
                }
            }
            _ => {}
        }
    }

    /// Runs `work` while the lease is held. `None`: it was lost meanwhile, and the work was dropped
    /// where it stood.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            lost = self.hold() => {
                tracing::error!(reason = lost, "no longer the active ingest");
                None
            }
        }
    }
}

/// Waits as a standby until the lease is ours; `None` once shut down.
pub(crate) async fn win(
    state: &StateStore,
    me: &Holder,
    health: &Health,
    shutdown: &CancellationToken,
) -> Option<Lease> {
    let mut candidate = Candidate::new(state.clone(), me.clone());
    loop {
        match candidate.attempt().await {
            Ok(Attempt::Taken(lease)) => {
                health.ok("lease");
                tracing::info!("this is the active ingest");
                return Some(lease);
            }
            Ok(Attempt::Held(holder)) => {
                let Holder { address, process, since, .. } = &holder;
                health.trouble(
                    "lease",
                    format!("standby: ingest {process} at {address} has been active since {since}"),
                );
            }
            Err(error) => health.trouble("lease", error.to_string()),
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = shutdown.cancelled() => return None,
        }
    }
}
