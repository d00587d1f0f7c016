//! When the next letter may go.

use std::time::Duration;

use lapin::Connection;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::pace::{MAX_RATE, Pace};
use crate::topology::depth;

const DEPTH_CHECK: Duration = Duration::from_secs(1);

/// Holds letters back: to keep the rate, while the bulk queue is deep, and at the end of a round.
pub(super) struct Brakes {
    ticker: Option<Interval>,
    bulk: Option<String>,
    most_waiting: u32,
    seen_shallow: Option<Instant>,
    deadline: Instant,
    cancel: CancellationToken,
}

impl Brakes {
    /// `bulk` is the queue whose depth matters, if any does.
    pub(super) fn new(pace: &Pace, bulk: Option<String>) -> Self {
        let ticker = pace.rate.map(|rate| {
            let mut ticker =
                tokio::time::interval(Duration::from_secs_f64(1.0 / rate.clamp(0.001, MAX_RATE)));
            ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticker
        });
        Self {
            ticker,
            bulk,
            most_waiting: pace.most_waiting,
            seen_shallow: None,
            deadline: Instant::now(),
            cancel: pace.cancel.clone(),
        }
    }

    /// Begins a round that ends after `limit`.
    pub(super) fn begin(&mut self, limit: Duration) {
        self.deadline = Instant::now() + limit;
    }

    /// Waits for the next letter's turn; `false` if this round has no more turns.
    pub(super) async fn turn(&mut self, connection: &Connection) -> bool {
        let (deadline, cancel) = (self.deadline, self.cancel.clone());
        if Instant::now() >= deadline || cancel.is_cancelled() {
            return false;
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => false,
            () = tokio::time::sleep_until(deadline) => false,
            go = self.may_go(connection) => go,
        }
    }

    async fn may_go(&mut self, connection: &Connection) -> bool {
        if let Some(bulk) = &self.bulk
            && self.seen_shallow.is_none_or(|at| at.elapsed() > DEPTH_CHECK)
        {
            loop {
                match depth(connection, bulk).await {
                    Ok(waiting) if waiting.unwrap_or(0) <= self.most_waiting => break,
                    Ok(_) => tokio::time::sleep(DEPTH_CHECK).await,
                    Err(_) => return false,
                }
            }
            self.seen_shallow = Some(Instant::now());
        }
        if let Some(ticker) = &mut self.ticker {
            ticker.tick().await;
        }
        true
    }
}
