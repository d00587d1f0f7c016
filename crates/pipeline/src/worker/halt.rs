//! Halts: the process cannot work, so it keeps its deliveries until it can. After a long halt it
//! republishes them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use service::backoff::Backoff;
use service::health::Health;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// How long a halted worker keeps its deliveries. Far below the broker's consumer timeout of 30
/// minutes: a consumer that settles nothing for that long loses everything, and the broker counts
/// that like a crash.
pub const HALT_HOLD: Duration = Duration::from_secs(600);

const CONDITION: &str = "work";

/// Everything that waits in one session.
#[derive(Debug)]
pub(super) struct Halts {
    health: Health,
    ended: CancellationToken,
    hold: Duration,
    waiting: Mutex<WaitingHalts>,
    held_too_long: OnceLock<String>,
}

/// Reasons of the present halts, by number.
#[derive(Debug, Default)]
struct WaitingHalts {
    begun: u64,
    reasons: BTreeMap<u64, String>,
}

impl Halts {
    /// A wait longer than `hold` cancels `ended`, which in turn ends every wait.
    pub(super) fn new(health: Health, ended: CancellationToken, hold: Duration) -> Self {
        Self { health, ended, hold, waiting: Mutex::default(), held_too_long: OnceLock::new() }
    }

    /// For one operation that is tried again until it works. The halt is over when this is dropped.
    pub(super) fn halt(&self) -> Halt<'_> {
        let mut waiting = self.lock();
        waiting.begun += 1;
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        Halt { halts: self, number: waiting.begun, since: None, backoff }
    }

    /// Something worked: the process can work, unless another operation still waits.
    pub(super) fn working(&self) {
        let waiting = self.lock();
        if waiting.reasons.is_empty() && !self.ended.is_cancelled() {
            self.health.ok(CONDITION);
        }
    }

    /// Why the session ended, if a halt ended it.
    pub(super) fn held_too_long(&self) -> Option<&str> {
        self.held_too_long.get().map(String::as_str)
    }

    fn lock(&self) -> MutexGuard<'_, WaitingHalts> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One operation that is tried again until it works.
#[derive(Debug)]
pub(super) struct Halt<'a> {
    halts: &'a Halts,
    number: u64,
    since: Option<Instant>,
    backoff: Backoff,
}

impl Halt<'_> {
    /// Call it when the operation failed: shows why and pauses. Returns whether to try again;
    /// `false`: the session has ended.
    pub(super) async fn again(&mut self, failure: &Failure) -> bool {
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
        self.halts.lock().reasons.insert(self.number, failure.to_string());
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
        let was_halted = waiting.reasons.remove(&self.number).is_some();
        if !was_halted || ended.is_cancelled() {
            return;
        }
        match waiting.reasons.values().next() {
            Some(other) => health.trouble(CONDITION, format!("halted: {other}")),
            None => health.ok(CONDITION),
        }
    }
}
