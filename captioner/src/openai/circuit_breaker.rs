//! A circuit breaker: after several failures in a row the endpoint is not asked for a while, then
//! one request probes it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Counts failures in a row. While it is open it refuses; after the cool-down it lets one request
/// through, whose outcome closes it or opens it again.
#[derive(Debug)]
pub(super) struct CircuitBreaker {
    open_after: u32,
    cool_down: Duration,
    state: Mutex<BreakerState>,
}

#[derive(Debug, Default)]
struct BreakerState {
    /// Failures in a row.
    failures: u32,
    /// The last of them.
    last: String,
    /// Set while the breaker is open.
    opened: Option<Instant>,
    probing: bool,
}

/// The breaker is open: no request may be sent now.
#[derive(Debug)]
pub(super) struct CircuitOpen {
    /// Failures in a row.
    pub(super) failures: u32,
    /// The last of them.
    pub(super) last: String,
    /// Time until the next request may be sent; zero while a probe is under way.
    pub(super) remaining: Duration,
}

/// Permission to send requests for one picture. Dropped without an outcome, it leaves the breaker
/// as it was.
#[derive(Debug)]
pub(super) struct CallPermit<'a> {
    breaker: &'a CircuitBreaker,
    probe: bool,
}

impl CircuitBreaker {
    pub(super) fn new(open_after: u32, cool_down: Duration) -> Self {
        Self { open_after, cool_down, state: Mutex::default() }
    }

    /// Whether a request would be permitted now. Takes no permit.
    pub(super) fn check(&self) -> Result<(), CircuitOpen> {
        self.open(&self.lock()).map_or(Ok(()), Err)
    }

    /// Permits one request and its retries.
    pub(super) fn permit(&self) -> Result<CallPermit<'_>, CircuitOpen> {
        let mut state = self.lock();
        if let Some(open) = self.open(&state) {
            return Err(open);
        }
        let probe = state.opened.is_some();
        state.probing |= probe;
        Ok(CallPermit { breaker: self, probe })
    }

    fn open(&self, state: &BreakerState) -> Option<CircuitOpen> {
        let remaining = self.cool_down.saturating_sub(state.opened?.elapsed());
        let open = state.probing || !remaining.is_zero();
        open.then(|| CircuitOpen { failures: state.failures, last: state.last.clone(), remaining })
    }

    fn lock(&self) -> MutexGuard<'_, BreakerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallPermit<'_> {
    /// Whether this is the one request after the cool-down, which is not retried.
    pub(super) fn is_probe(&self) -> bool {
        self.probe
    }

    /// The endpoint answered: closes the breaker.
    pub(super) fn answered(self) {
        let mut state = self.breaker.lock();
        if state.opened.is_some() {
            tracing::info!("the caption endpoint answers again");
        }
        *state = BreakerState::default();
        metrics::gauge!("bucketlens_provider_breaker_open").set(0.0);
    }

    /// The endpoint failed: counts the failure and opens the breaker after `open_after` in a row.
    pub(super) fn failed(self, why: &str) {
        let CircuitBreaker { open_after, cool_down, .. } = self.breaker;
        let mut state = self.breaker.lock();
        state.failures = state.failures.saturating_add(1);
        why.clone_into(&mut state.last);
        // A request that began before the breaker opened says nothing new.
        let opens = if state.opened.is_some() { self.probe } else { state.failures >= *open_after };
        if opens {
            tracing::warn!(
                failures = state.failures,
                ?cool_down,
                "the circuit breaker of the caption endpoint is open: nothing is asked for a while"
            );
            state.opened = Some(Instant::now());
            metrics::gauge!("bucketlens_provider_breaker_open").set(1.0);
        }
    }
}

impl Drop for CallPermit<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.lock().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOL_DOWN: Duration = Duration::from_millis(40);

    fn opened() -> CircuitBreaker {
        let breaker = CircuitBreaker::new(2, COOL_DOWN);
        breaker.permit().unwrap().failed("first");
        breaker.permit().unwrap().failed("second");
        breaker
    }

    #[test]
    fn failures_count_only_in_a_row() {
        let breaker = CircuitBreaker::new(2, COOL_DOWN);
        breaker.permit().unwrap().failed("first");
        breaker.permit().unwrap().answered();
        breaker.permit().unwrap().failed("second");
        assert!(breaker.check().is_ok());
    }

    #[test]
    fn open_it_refuses_and_says_why() {
        let open = opened().permit().unwrap_err();
        assert_eq!((open.failures, open.last.as_str()), (2, "second"));
        assert!(open.remaining <= COOL_DOWN && !open.remaining.is_zero());
    }

    #[test]
    fn after_the_cool_down_one_request_decides() {
        for good in [true, false] {
            let breaker = opened();
            std::thread::sleep(COOL_DOWN);
            let probe = breaker.permit().unwrap();
            assert!(probe.is_probe() && breaker.check().is_err() && breaker.permit().is_err());
            if good {
                probe.answered()
            } else {
                probe.failed("again")
            }
            assert_eq!(breaker.check().is_ok(), good);
        }
    }

    #[test]
    fn a_request_that_is_given_up_does_not_hold_the_place() {
        let breaker = opened();
        std::thread::sleep(COOL_DOWN);
        drop(breaker.permit().unwrap());
        assert!(breaker.permit().unwrap().is_probe());
    }

    #[test]
    fn late_failures_do_not_lengthen_the_cool_down() {
        let breaker = CircuitBreaker::new(2, COOL_DOWN);
        let late = breaker.permit().unwrap();
        breaker.permit().unwrap().failed("first");
        breaker.permit().unwrap().failed("second");
        std::thread::sleep(COOL_DOWN / 2);
        late.failed("late");
        std::thread::sleep(COOL_DOWN / 2);
        assert!(breaker.check().is_ok());
    }
}
