//! A limit of requests per minute: a token bucket of one token, which spreads the requests evenly
//! over the minute.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Gives turns in the order in which they are asked for.
#[derive(Debug)]
pub(super) struct RateLimiter {
    /// Time between two turns. Zero: no limit.
    gap: Duration,
    /// When the next turn may begin.
    next: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// `per_minute` 0: no limit.
    pub(super) fn new(per_minute: u32) -> Self {
        let gap = Duration::from_secs(60).checked_div(per_minute).unwrap_or_default();
        Self { gap, next: Mutex::default() }
    }

    /// Waits for a turn. If the caller gives up while it waits, the turn is lost.
    pub(super) async fn turn(&self) {
        if self.gap.is_zero() {
            return;
        }
        let begins = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let begins = next.map_or(now, |next| next.max(now));
            *next = Some(begins + self.gap);
            begins
        };
        tokio::time::sleep_until(begins).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_are_spread_evenly() {
        let limiter = RateLimiter::new(1200);
        let begun = Instant::now();
        for _ in 0..4 {
            limiter.turn().await;
        }
        assert!(begun.elapsed() >= Duration::from_millis(150), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn without_a_limit_nobody_waits() {
        let limiter = RateLimiter::new(0);
        for _ in 0..10_000 {
            limiter.turn().await;
        }
    }
}
