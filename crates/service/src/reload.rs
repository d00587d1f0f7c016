//! Reload of settings at SIGHUP, without a new process.
//!
//! The present run ends as it does at a stop: it finishes and commits the work in hand and gives
//! back the rest. Then the program runs again with the new settings. Three things need a new
//! process: the log, and the library and the threads of ONNX Runtime.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::settings::{self, Settings};
use crate::signals::{self, Heard, Signals};
use crate::telemetry;

/// The present run, and the settings of the next one.
struct Reload<S> {
    // Ends the present run.
    shutdown: CancellationToken,
    // Time that the present run has to end.
    limit: Duration,
    // Settings of the next run; `None`: there is none.
    next: Option<S>,
    // The process ends after the present run.
    stopping: bool,
    // When the process exits although the present run has not ended; `None`: it was not told to
    // end.
    deadline: Option<Instant>,
}

type SharedReload<S> = Arc<Mutex<Reload<S>>>;

fn lock<S>(reload: &SharedReload<S>) -> MutexGuard<'_, Reload<S>> {
    reload.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `run` until a stop, each time with the newest settings that are valid.
///
/// # Errors
/// The error of `run`. It is not called again then.
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
        tracing::info!("running again with the new settings");
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
                // The log is installed already, so this only checks its settings.
                let checked = loaded.and_then(|settings| {
                    telemetry::install(&settings.process().log).map(|()| settings)
                });
                let mut now = lock(&reload);
                match checked {
                    _ if now.stopping => {}
                    Ok(settings) => {
                        tracing::info!("settings were read again; the present run ends first");
                        now.next = Some(settings);
                        now.end();
                    }
                    Err(error) => tracing::error!(
                        %error,
                        "the new settings are wrong; the present ones stay in force"
                    ),
                }
            }
            Heard::TooLate => {
                let now = lock(&reload);
                // The run may have ended, and the next one begun, in this very moment.
                if now.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                    signals::leave_late(now.limit);
                }
            }
        }
    }
}

impl<S> Reload<S> {
    /// Ends the present run; the limit counts from the first call.
    fn end(&mut self) {
        self.deadline.get_or_insert_with(|| Instant::now() + self.limit);
        self.shutdown.cancel();
    }
}
