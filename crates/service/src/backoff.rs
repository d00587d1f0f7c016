//! Pauses between attempts of anything that may work the next time.

use std::time::Duration;

use rand::Rng;

/// Growing, jittered pauses between attempts of anything: doubles from `first` to `limit`.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses from `first` up to `limit`.
    pub fn new(first: Duration, limit: Duration) -> Self {
        Self { first, limit, next: first }
    }

    /// The next pause: the present step ± 25 %, so that many processes do not knock at once.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next.mul_f64(rand::rng().random_range(0.75..=1.25));
        self.next = (self.next * 2).min(self.limit);
        pause
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(250), Duration::from_secs(15))
    }
}
