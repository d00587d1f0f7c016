//! Making sure that settled letters have left the queue.

use std::collections::HashSet;

use service::backoff::Backoff;

use super::hold::Hold;
use crate::connection::{AmqpSettings, BrokerError};
use crate::stage_name::StageName;

/// Attempts to hold the letters, and to find the settled ones gone.
pub(super) const ATTEMPTS: usize = 5;

/// Takes the letters on loan; tries again with growing pauses.
pub(super) async fn take_again(
    settings: &AmqpSettings,
    stage: &StageName,
    attempts: usize,
) -> Result<Hold, BrokerError> {
    let mut backoff = Backoff::default();
    for _ in 1..attempts {
        match Hold::take(settings, stage).await {
            Ok(hold) => return Ok(hold),
            Err(error) => tracing::warn!(%error, "the dead letters cannot be held, trying again"),
        }
        tokio::time::sleep(backoff.pause()).await;
    }
    Hold::take(settings, stage).await
}

/// Removes letters that were settled and are there again, because the broker had not processed the
/// ack when the channel closed.
pub(super) async fn clear(settings: &AmqpSettings, stage: &StageName, settled: &HashSet<u128>) {
    for _ in 0..ATTEMPTS {
        if settled.is_empty() {
            return;
        }
        let hold = match take_again(settings, stage, ATTEMPTS).await {
            Ok(hold) => hold,
            Err(error) => {
                tracing::warn!(
                    %error,
                    "removed letters could not be checked: some may still be in the queue"
                );
                return;
            }
        };
        let (mut found, mut again) = (0, 0);
        for held in hold.held.iter().filter(|held| settled.contains(&held.letter.fingerprint())) {
            found += 1;
            again += usize::from(held.settle().await);
        }
        hold.release(again).await;
        if found == 0 {
            return;
        }
    }
}
