//! When a batch closes: enough rows, or old enough. Pure, no I/O beyond the channel it reads.

use std::time::Duration;

use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use service::SettingsError;

/// `[batch]`: how many objects are inferred and committed together.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSettings {
    /// Rows that close a batch.
    pub max_rows: usize,
    /// Bytes of originals that close a batch.
    pub max_bytes: u64,
    /// Age of its first row that closes a batch. Bounds the time from upload to searchable when
    /// little arrives.
    #[serde(with = "humantime_serde")]
    pub max_wait: Duration,
}

impl BatchSettings {
    /// Checks ranges.
    ///
    /// # Errors
    /// The first key out of range.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if !(1..=10_000).contains(&self.max_rows) {
            return Err(SettingsError::value("batch.max_rows", "must be from 1 to 10000"));
        }
        if self.max_bytes == 0 {
            return Err(SettingsError::value("batch.max_bytes", "must be at least 1"));
        }
        if self.max_wait > Duration::from_secs(300) {
            return Err(SettingsError::value(
                "batch.max_wait",
                "must be at most 5m, far below the broker's consumer timeout",
            ));
        }
        Ok(())
    }
}

/// Takes the next batch from `inbox`; `None` once the channel is closed and empty. `size_bytes`
/// gives an item's share of `max_bytes`. While the caller is busy with one batch, the items of the
/// next wait in the channel and are then taken at once.
pub async fn next<T>(
    inbox: &mut mpsc::Receiver<T>,
    limits: &BatchSettings,
    size_bytes: impl Fn(&T) -> u64,
) -> Option<Vec<T>> {
    let first = inbox.recv().await?;
    let closes = Instant::now() + limits.max_wait;
    let mut bytes = size_bytes(&first);
    let mut batch = vec![first];
    while batch.len() < limits.max_rows && bytes < limits.max_bytes {
        match tokio::time::timeout_at(closes, inbox.recv()).await {
            Ok(Some(item)) => {
                bytes = bytes.saturating_add(size_bytes(&item));
                batch.push(item);
            }
            Ok(None) | Err(_) => break,
        }
    }
    Some(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_rows: usize, max_bytes: u64) -> BatchSettings {
        BatchSettings { max_rows, max_bytes, max_wait: Duration::from_millis(100) }
    }

    #[tokio::test]
    async fn rows_bytes_age_and_end_each_close_a_batch() {
        let (outbox, mut inbox) = mpsc::channel(16);
        for size in [1, 1, 1, 50, 1] {
            outbox.send(size).await.unwrap();
        }
        assert_eq!(next(&mut inbox, &limits(2, 100), |s| *s).await, Some(vec![1, 1]));
        assert_eq!(next(&mut inbox, &limits(9, 40), |s| *s).await, Some(vec![1, 50]));
        // Neither full nor closed: only its age can end this wait.
        assert_eq!(next(&mut inbox, &limits(9, 100), |s| *s).await, Some(vec![1]));
        drop(outbox);
        assert_eq!(next(&mut inbox, &limits(9, 100), |s| *s).await, None);
    }
}
