//! Leader election: one `ingest` is active at a time. It holds a lease, an object in the bucket
//! that it takes and renews with conditional writes. A second instance waits, and takes over when
//! the lease has not been renewed for [`LIFETIME`]. Clocks are never compared: the waiting instance
//! measures by its own clock for how long the object has not changed.

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
// The holder stops this long before the lease can be taken, which is longer than one request can be
// delayed.
const MARGIN: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_secs(1);

/// The process that holds the lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// Different for every process.
    pub(crate) id: String,
    /// Address of its HTTP interface; empty if it has none.
    pub(crate) address: String,
    /// Process id; shown to people only.
    pub(crate) process: u32,
    /// Since when it holds the lease, by its own clock; shown to people only.
    pub(crate) since: Timestamp,
    // Changes with every renewal, and so the ETag changes too.
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

/// The outcome of one attempt to take the lease.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// This process holds it now.
    Taken(Lease),
    /// Another process holds it.
    Held(Holder),
}

/// Watches a lease that another process holds, and takes it once it is abandoned.
#[derive(Debug)]
pub(crate) struct LeaseCandidate {
    state: StateStore,
    me: Holder,
    // The last ETag, and since when it has been the same.
    seen: Option<(String, Instant)>,
}

impl LeaseCandidate {
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
                // A lease of our own that we lost by being late can be taken back at once.
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
    /// Renews until the lease is lost, because another process took it or the store was away for
    /// too long. Returns the reason.
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
                // A renewal that timed out here may have arrived all the same.
                match self.state.get::<Holder>(NAME).await? {
                    Some((holder, etag)) if holder.id == self.holder.id => self.etag = etag,
                    _ => return Ok(false),
                }
            }
        }
        Ok(true)
    }

    /// Gives the lease back, so that a standby takes over at once.
    pub(crate) async fn give_back(self) {
        match self.state.get::<Holder>(NAME).await {
            Ok(Some((holder, _))) if holder.id == self.holder.id => {
                if let Err(error) = self.state.delete(NAME).await {
                    tracing::warn!(%error, "the lease was not given back, it expires by itself");
                }
            }
            _ => {}
        }
    }

    /// Runs `work` while the lease is held. `None`: the lease was lost, and the work was dropped
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

/// Waits as a standby until the lease is taken; `None` once shut down.
pub(crate) async fn win(
    state: &StateStore,
    me: &Holder,
    health: &Health,
    shutdown: &CancellationToken,
) -> Option<Lease> {
    let mut candidate = LeaseCandidate::new(state.clone(), me.clone());
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
