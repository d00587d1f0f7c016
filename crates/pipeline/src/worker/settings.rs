//! The section `[fetch]` of a worker's settings.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use service::SettingsError;
use tokio::sync::Semaphore;

/// `[fetch]`: downloading and decoding.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchSettings {
    /// Objects being downloaded or waiting for a decoder at once.
    pub concurrency: usize,
    /// Objects being decoded at once, one thread each; 0: as many as there are processors.
    pub decoders: usize,
    /// Largest original that is downloaded.
    pub max_object_bytes: u64,
    /// Longest time of decoding one object. Its thread cannot be ended: it occupies one of the
    /// [`decoders`](Self::decoders) until it returns.
    #[serde(with = "humantime_serde")]
    pub decode_timeout: Duration,
}

impl FetchSettings {
    /// One permit per thread that may decode at once.
    pub fn turns(&self) -> Arc<Semaphore> {
        let turns = match self.decoders {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        Arc::new(Semaphore::new(turns))
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// The first key out of range.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if !(1..=1000).contains(&self.concurrency) {
            return Err(SettingsError::value("fetch.concurrency", "must be from 1 to 1000"));
        }
        if self.decoders > 1000 {
            return Err(SettingsError::value("fetch.decoders", "must be from 0 to 1000"));
        }
        if self.decode_timeout < Duration::from_millis(100) {
            return Err(SettingsError::value("fetch.decode_timeout", "must be at least 100ms"));
        }
        if self.max_object_bytes == 0 {
            return Err(SettingsError::value("fetch.max_object_bytes", "must be at least 1"));
        }
        Ok(())
    }
}
