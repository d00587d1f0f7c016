//! `[watch]`, `[events]` and `[backpressure]`: how new objects are found, and how fast jobs for
//! them are published.

use std::time::Duration;

use pipeline::event::EventSource;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use service::settings::SettingsError;

/// `[watch]`: finding changes by listing the bucket.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchSettings {
    /// Pause between two listings.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
    /// Largest share of the indexed objects that one sweep removes, from 0 to 1.
    pub max_delete_share: f64,
}

impl WatchSettings {
    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        if self.poll_interval < Duration::from_millis(100) {
            return Err(SettingsError::value("watch.poll_interval", "must be at least 100ms"));
        }
        if !(0.0..=1.0).contains(&self.max_delete_share) {
            return Err(SettingsError::value("watch.max_delete_share", "must be from 0 to 1"));
        }
        Ok(())
    }
}

/// `[events]`: finding changes by S3 notifications.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSettings {
    /// Whether to listen to the store.
    pub listen: bool,
    /// Whether to consume the events that the store pushes into the broker.
    pub queue: bool,
    /// The bearer token of the webhook; empty closes the webhook.
    pub secret: SecretString,
    /// The store that sends events. Stores encode keys differently.
    pub source: EventSource,
}

impl EventSettings {
    /// Whether any door is open, so that ingest expects an event for every new object.
    pub(crate) fn any_open(&self) -> bool {
        self.listen || self.queue || !self.secret.expose_secret().is_empty()
    }
}

/// `[backpressure]`: the queue depths between which publishing pauses and resumes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackpressureSettings {
    /// Listings stop publishing while more jobs than this wait for a stage.
    pub high: u32,
    /// They resume once fewer jobs than this wait.
    pub low: u32,
}

impl BackpressureSettings {
    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        if self.high > 4_000_000 {
            return Err(SettingsError::value(
                "backpressure.high",
                "must be at most 4000000: queues are limited to 5000000",
            ));
        }
        if self.low == 0 || self.low > self.high {
            return Err(SettingsError::value(
                "backpressure.low",
                "must be from 1 to backpressure.high",
            ));
        }
        Ok(())
    }
}
