//! One process, several sets of settings: SIGHUP reads them again, and what ran with the former
//! ones ends as at a stop (finishes and commits what has begun, hands back the rest) before the
//! same program begins anew with the new ones.
//!
//! What only a new process can change stays as it is: the log, and the library and threads of ONNX
//! Runtime.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::settings::{self, Settings};
use crate::signals::{self, Heard, Signals};
use crate::telemetry;

/// The run under way, and the settings of the next one.
struct Reload<S> {
    shutdown: CancellationToken,
    limit: Duration,
    // Settings of the next run.
    next: Option<S>,
    stopping: bool,
    // When the process leaves if the present run has not ended.
    deadline: Option<Instant>,
}

type SharedReload<S> = Arc<Mutex<Reload<S>>>;

fn lock<S>(reload: &SharedReload<S>) -> MutexGuard<'_, Reload<S>> {
    reload.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs until a stop, with the newest good settings.
///
/// # Errors
/// What `run` ended with.
pub(crate) async fn run_until_stopped<S, F>(
    file: Option<PathBuf>,
    mut settings: S,
    run: impl Fn(S, CancellationToken) -> F,
) -> anyhow::Result<()>
where
    S: Settings + Send + 'static,
    F: Future<Output = anyhow::Result<()>>,
{
    let limit = settings.process().http.shutdown_timeout;
    let first: Reload<S> = Reload {
        shutdown: CancellationToken::new(),
        limit,
        next: None,
        stopping: false,
        deadline: None,
    };
    let reload = Arc::new(Mutex::new(first));
    let watching =
        tokio::spawn(watch::<S>(Signals::to_stop_or_reload()?, file, Arc::clone(&reload)));
    let ended = loop {
        let shutdown = lock(&reload).shutdown.clone();
        let ended = run(settings, shutdown).await;
        let mut now = lock(&reload);
        let next = if now.stopping || ended.is_err() { None } else { now.next.take() };
        let Some(next) = next else { break ended };
        (now.shutdown, now.limit, now.deadline) =
            (CancellationToken::new(), next.process().http.shutdown_timeout, None);
        tracing::info!("begins anew with the new settings");
        settings = next;
    };
    watching.abort();
    ended
}

async fn watch<S: Settings>(mut signals: Signals, file: Option<PathBuf>, reload: SharedReload<S>) {
    loop {
        let deadline = lock(&reload).deadline;
        match signals.next(deadline).await {
            Heard::Stop => {
                let mut now = lock(&reload);
                if now.stopping {
                    signals::leave_at_once();
                }
                tracing::info!("stopping");
                (now.stopping, now.next) = (true, None);
                now.end();
            }
            Heard::Reload => {
                let loaded = settings::load::<S>(file.as_deref());
                // A second installation only checks.
                let checked = loaded.and_then(|settings| {
                    telemetry::install(&settings.process().log).map(|()| settings)
                });
                let mut now = lock(&reload);
                match checked {
                    _ if now.stopping => {}
                    Ok(settings) => {
                        tracing::info!(
                            "settings were read again, what runs with the former ones ends"
                        );
                        now.next = Some(settings);
                        now.end();
                    }
                    Err(error) => {
                        tracing::error!(%error, "the settings are wrong, the former ones stay in force")
                    }
                }
            }
            Heard::TooLate => {
                let now = lock(&reload);
                // It may have ended, and another run begun, in this moment.
                if now.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                    signals::leave_late(now.limit);
                }
            }
        }
    }
}

impl<S> Reload<S> {
    fn end(&mut self) {
        self.deadline.get_or_insert_with(|| Instant::now() + self.limit);
        self.shutdown.cancel();
    }
}
