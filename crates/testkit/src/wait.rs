//! Waiting in tests, never longer than said.

use std::time::{Duration, Instant};

/// Polls `ask` until it answers; after `limit` the test fails and names what it waited for.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> F,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < limit, "waited {limit:?} in vain until: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Ends a test that takes longer than `limit` instead of letting it hang.
pub async fn within<T>(limit: Duration, test: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, test)
        .await
        .unwrap_or_else(|_| panic!("the test was not finished within {limit:?}"))
}
