//! Exponential backoff with jitter: the pauses between attempts of something that may work the next
//! time.

use std::time::Duration;

use rand::Rng;

/// Pauses that double from a first one to a limit, each with jitter.
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

    /// The next pause: the present step ± 25 %, so that many processes do not try at the same
    /// moment.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next.mul_f64(rand::rng().random_range(0.75..=1.25));
        self.next = (self.next * 2).min(self.limit);
        pause
    }

    /// Starts again with the first pause, after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(250), Duration::from_secs(15))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_start_again_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        for step in [1.0, 2.0, 4.0, 5.0, 5.0] {
            let pause = backoff.pause().as_secs_f64();
            assert!((step * 0.75..=step * 1.25).contains(&pause), "{pause} s instead of {step} s");
        }
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(1250));
    }
}
