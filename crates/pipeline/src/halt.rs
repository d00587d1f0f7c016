//! Halts: the process cannot work, so everything held stays held until it can, or for so long that
//! it is handed back.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use service::backoff::Backoff;
use service::health::Health;

/// How long a halted worker keeps what it holds. Far below the 30 minutes after which the broker
/// takes everything from a consumer that settles nothing, and counts that like a crash.
pub const HALT_HOLD: Duration = Duration::from_secs(600);

const CONDITION: &str = "work";

/// All that waits in one session.
#[derive(Debug)]
pub(crate) struct Halts {
    health: Health,
    ended: CancellationToken,
    hold: Duration,
    // Reasons of those that wait now, by number.
    waiting: Mutex<(u64, BTreeMap<u64, String>)>,
    held_too_long: OnceLock<String>,
}

impl Halts {
    /// A wait longer than `hold` cancels `ended`, which in turn ends every wait.
    pub(crate) fn new(health: Health, ended: CancellationToken, hold: Duration) -> Self {
        Self { health, ended, hold, waiting: Mutex::default(), held_too_long: OnceLock::new() }
    }

    /// For one thing that is tried again until it works. The halt is over when this is dropped.
    pub(crate) fn halt(&self) -> Halt<'_> {
        let mut waiting = self.lock();
        waiting.0 += 1;
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        Halt { halts: self, number: waiting.0, since: None, backoff }
    }

    /// Something worked: the process can work, unless something else still waits.
    pub(crate) fn working(&self) {
        let waiting = self.lock();
        if waiting.1.is_empty() && !self.ended.is_cancelled() {
            self.health.ok(CONDITION);
        }
    }

    /// Why the session ended, if it was a halt.
    pub(crate) fn held_too_long(&self) -> Option<&str> {
        self.held_too_long.get().map(String::as_str)
    }

    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, String>)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thing that is tried again until it works.
#[derive(Debug)]
pub(crate) struct Halt<'a> {
    halts: &'a Halts,
    number: u64,
    since: Option<Instant>,
    backoff: Backoff,
}

impl Halt<'_> {
    /// It failed: shows why and pauses. Returns whether to try again; `false` means that the
    /// session has ended.
    pub(crate) async fn again(&mut self, failure: &Failure) -> bool {
        let Halts { health, ended, hold, held_too_long, .. } = self.halts;
        if ended.is_cancelled() {
            return false;
        }
        metrics::counter!("bucketlens_halts_total", "class" => failure.class).increment(1);
        tracing::error!(
            class = failure.class,
            reason = failure.reason,
            "halted, nothing is taken until this works again"
        );
        self.halts.lock().1.insert(self.number, failure.to_string());
        health.trouble(CONDITION, format!("halted: {failure}"));
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() >= *hold {
            let _ = held_too_long.set(format!("halted: {failure}"));
            ended.cancel();
            return false;
        }
        let pause = self.backoff.pause().min(*hold - since.elapsed().min(*hold));
        tokio::select! {
            biased;
            () = ended.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}

impl Drop for Halt<'_> {
    fn drop(&mut self) {
        let Halts { health, ended, .. } = self.halts;
        let mut waiting = self.halts.lock();
        let was_halted = waiting.1.remove(&self.number).is_some();
        if !was_halted || ended.is_cancelled() {
            return;
        }
        match waiting.1.values().next() {
            Some(other) => health.trouble(CONDITION, format!("halted: {other}")),
            None => health.ok(CONDITION),
        }
    }
}
