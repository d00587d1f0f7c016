//! Answers to the broker about one message.

use std::future::Future;
use std::time::Duration;

use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicNackOptions};

// An ack that was under way when the connection broke may never be answered.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Acks a message: the broker forgets it. `false`: the ack did not arrive, because the connection
/// is gone; the broker will deliver the message again.
pub(crate) async fn ack(acker: &Acker) -> bool {
    arrives(acker.ack(BasicAckOptions::default())).await
}

/// Acks a message and counts it when the ack does not arrive. That is no error, because a second
/// delivery finds the work done; but many of them mean an unstable connection.
pub(crate) async fn ack_or_count(acker: &Acker) {
    count_unless(ack(acker).await);
}

/// Puts a message back into its queue, and counts it as [`ack_or_count`] does.
pub(crate) async fn requeue_or_count(acker: &Acker) {
    let options = BasicNackOptions { requeue: true, multiple: false };
    count_unless(arrives(acker.nack(options)).await);
}

async fn arrives(answer: impl Future<Output = lapin::Result<bool>>) -> bool {
    matches!(tokio::time::timeout(TIMEOUT, answer).await, Ok(Ok(true)))
}

fn count_unless(arrived: bool) {
    if !arrived {
        metrics::counter!("bucketlens_settle_lost_total").increment(1);
    }
}
