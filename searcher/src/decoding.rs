//! Decoding of query pictures: CPU-bound work on blocking threads, on at most half of the
//! processors. A decoder cannot be stopped. So work that takes too long keeps its permit, and while
//! such work holds all permits, further pictures are refused at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::problem::Problem;

/// The permits and the time limit of decoding.
pub(crate) struct Decoding {
    // The work itself holds its permit: it goes on after its client has left.
    permits: Arc<Semaphore>,
    at_once: usize,
    // Work beyond its time limit.
    overdue: Arc<AtomicUsize>,
    time_limit: Duration,
}

impl Decoding {
    /// On half of the processors.
    pub(crate) fn new(time_limit: Duration) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::at_once(processors.div_ceil(2), time_limit)
    }

    fn at_once(at_once: usize, time_limit: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(at_once));
        Self { permits, at_once, overdue: Arc::default(), time_limit }
    }

    /// Runs work on a blocking thread, once a permit is free.
    ///
    /// # Errors
    /// 503: no permit became free in time, the work did not end in time, or it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        if self.overdue.load(Ordering::Relaxed) >= self.at_once {
            return Err(busy());
        }
        let permit = timeout(self.time_limit, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| busy())?.map_err(|_| busy())?;
        let working = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        let (answer, answered) = oneshot::channel();
        tokio::spawn(watch(working, self.time_limit, Arc::clone(&self.overdue), answer));
        match answered.await {
            Ok(Some(result)) => Ok(result),
            Ok(None) => Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "decoding the picture hit a defect",
            )),
            Err(_) => Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!(
                    "the picture was not decoded within {:?}: send a smaller one, or try again \
                     later",
                    self.time_limit
                ),
            )),
        }
    }
}

/// Answers with the result of work, or `None` if it panicked. Counts the work as overdue from the
/// time limit to its end, whether or not anybody waits for it.
async fn watch<T>(
    mut working: JoinHandle<T>,
    time_limit: Duration,
    overdue: Arc<AtomicUsize>,
    answer: oneshot::Sender<Option<T>>,
) {
    if let Ok(done) = timeout(time_limit, &mut working).await {
        let _ = answer.send(done.ok());
        return;
    }
    overdue.fetch_add(1, Ordering::Relaxed);
    drop(answer);
    tracing::warn!(?time_limit, "a query picture takes longer to decode than it may");
    let _ = working.await;
    overdue.fetch_sub(1, Ordering::Relaxed);
}

fn busy() -> Problem {
    let detail = "too many pictures are being decoded; try again later";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn overdue_work_holds_its_permit_and_further_work_is_refused_until_it_ends() {
        let decoding = Decoding::at_once(1, Duration::from_millis(20));
        let (release, held) = mpsc::channel::<()>();
        let late = decoding.run(move || held.recv().is_ok()).await.unwrap_err();
        assert!(late.detail().contains("was not decoded within 20ms"), "{}", late.detail());
        let refused = decoding.run(|| "never called").await.unwrap_err();
        assert!(refused.detail().starts_with("too many pictures"), "{}", refused.detail());
        release.send(()).unwrap();
        while decoding.overdue.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(decoding.run(|| "decoded").await.unwrap(), "decoded");
    }

    #[tokio::test]
    async fn work_that_ends_in_time_answers_and_a_panic_frees_its_permit() {
        let decoding = Decoding::at_once(1, Duration::from_secs(60));
        assert_eq!(decoding.run(|| 7).await.unwrap(), 7);
        assert!(decoding.run(|| panic!("a defect")).await.is_err());
        assert_eq!(decoding.run(|| 8).await.unwrap(), 8);
    }
}
