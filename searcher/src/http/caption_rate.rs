//! How many captions may be asked for: each one costs a captioner seconds, or an endpoint money.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// A rate per minute, all of which may come at once (the generic cell rate algorithm of ATM: a
/// moment at which the next request would be due if they came evenly).
pub(super) struct CaptionRate {
    interval: Duration,
    due: Mutex<Option<Instant>>,
}

impl CaptionRate {
    /// `per_minute` must be at least 1.
    pub(super) fn new(per_minute: u32) -> Self {
        Self { interval: MINUTE / per_minute.max(1), due: Mutex::new(None) }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// It is one too many: the pause after which there is room for one.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = due.map_or(now, |due| due.max(now));
        let ahead = begins.duration_since(now) + self.interval;
        if ahead > MINUTE {
            return Err(ahead - MINUTE);
        }
        *due = Some(begins + self.interval);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_worth_may_come_at_once_and_then_as_many_as_the_rate_says() {
        let (rate, now) = (CaptionRate::new(60), Instant::now());
        for number in 0..60 {
            assert_eq!(rate.take(now), Ok(()), "{number}");
        }
        assert_eq!(rate.take(now), Err(Duration::from_secs(1)));
        let later = now + Duration::from_secs(2);
        assert_eq!([rate.take(later), rate.take(later)], [Ok(()), Ok(())]);
        assert!(rate.take(later).is_err());
        assert!((0..60).all(|_| rate.take(now + 10 * MINUTE).is_ok()), "unused time is no debt");
        assert!(rate.take(now + 10 * MINUTE).is_err(), "and no credit beyond a minute");
    }
}
