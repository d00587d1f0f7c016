//! A circuit breaker: an endpoint that fails again and again is left alone for a while, then asked
//! once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Counts failures in a row. Open, it refuses; once the cool-down is over it lets one request
/// through, whose outcome decides.
#[derive(Debug)]
pub(super) struct Breaker {
    open_after: u32,
    cool_down: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// In a row.
    failures: u32,
    last: String,
    /// Set while open.
    opened: Option<Instant>,
    probing: bool,
}

/// Why nothing may be asked now.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Failures in a row.
    pub(super) failures: u32,
    /// The last one.
    pub(super) last: String,
    /// Until the next request is let through; zero while one is under way.
    pub(super) remaining: Duration,
}

/// Leave to ask. Dropped without an outcome it leaves the breaker as it was.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    pub(super) fn new(open_after: u32, cool_down: Duration) -> Self {
        Self { open_after, cool_down, state: Mutex::default() }
    }

    /// Whether a request would be let through now, without taking the place of one.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        self.refusal(&self.lock()).map_or(Ok(()), Err)
    }

    /// Leave for one request and its repetitions.
    pub(super) fn pass(&self) -> Result<Pass<'_>, Refusal> {
        let mut state = self.lock();
        if let Some(refusal) = self.refusal(&state) {
            return Err(refusal);
        }
        let probe = state.opened.is_some();
        state.probing |= probe;
        Ok(Pass { breaker: self, probe })
    }

    fn refusal(&self, state: &State) -> Option<Refusal> {
        let remaining = self.cool_down.saturating_sub(state.opened?.elapsed());
        let refused = state.probing || !remaining.is_zero();
        refused.then(|| Refusal { failures: state.failures, last: state.last.clone(), remaining })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Whether this is the one request after the cool-down: it is worth one try, no more.
    pub(super) fn is_probe(&self) -> bool {
        self.probe
    }

    /// The endpoint answered: closes the breaker.
    pub(super) fn answered(self) {
        let mut state = self.breaker.lock();
        if state.opened.is_some() {
            tracing::info!("the caption endpoint answers again");
        }
        *state = State::default();
        metrics::gauge!("bucketlens_provider_breaker_open").set(0.0);
    }

    /// The endpoint failed: counts, and opens the breaker if it is one too many.
    pub(super) fn failed(self, why: &str) {
        let Breaker { open_after, cool_down, .. } = self.breaker;
        let mut state = self.breaker.lock();
        state.failures = state.failures.saturating_add(1);
        why.clone_into(&mut state.last);
        // A request from before the opening says nothing new.
        let opens = if state.opened.is_some() { self.probe } else { state.failures >= *open_after };
        if opens {
            tracing::warn!(
                failures = state.failures,
                ?cool_down,
                "the caption endpoint is left alone for a while"
            );
            state.opened = Some(Instant::now());
            metrics::gauge!("bucketlens_provider_breaker_open").set(1.0);
        }
    }
}

impl Drop for Pass<'_> {
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

    fn opened() -> Breaker {
        let breaker = Breaker::new(2, COOL_DOWN);
        breaker.pass().unwrap().failed("first");
        breaker.pass().unwrap().failed("second");
        breaker
    }

    #[test]
    fn failures_count_only_in_a_row() {
        let breaker = Breaker::new(2, COOL_DOWN);
        breaker.pass().unwrap().failed("first");
        breaker.pass().unwrap().answered();
        breaker.pass().unwrap().failed("second");
        assert!(breaker.check().is_ok());
    }

    #[test]
    fn open_it_refuses_and_says_why() {
        let refusal = opened().pass().unwrap_err();
        assert_eq!((refusal.failures, refusal.last.as_str()), (2, "second"));
        assert!(refusal.remaining <= COOL_DOWN && !refusal.remaining.is_zero());
    }

    #[test]
    fn after_the_cool_down_one_request_decides() {
        for good in [true, false] {
            let breaker = opened();
            std::thread::sleep(COOL_DOWN);
            let probe = breaker.pass().unwrap();
            assert!(probe.is_probe() && breaker.check().is_err() && breaker.pass().is_err());
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
        drop(breaker.pass().unwrap());
        assert!(breaker.pass().unwrap().is_probe());
    }

    #[test]
    fn late_failures_do_not_lengthen_the_cool_down() {
        let breaker = Breaker::new(2, COOL_DOWN);
        let late = breaker.pass().unwrap();
        breaker.pass().unwrap().failed("first");
        breaker.pass().unwrap().failed("second");
        std::thread::sleep(COOL_DOWN / 2);
        late.failed("late");
        std::thread::sleep(COOL_DOWN / 2);
        assert!(breaker.check().is_ok());
    }
}
