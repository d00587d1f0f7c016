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

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::settings::{self, Settings};
use crate::telemetry;

/// The life that runs now, and what comes after it.
struct Reins<S> {
    shutdown: CancellationToken,
    limit: Duration,
    // Settings of the next life.
    next: Option<S>,
    stopping: bool,
    // When the process leaves if the present life has not ended.
    deadline: Option<Instant>,
}

type Shared<S> = Arc<Mutex<Reins<S>>>;

fn lock<S>(reins: &Shared<S>) -> MutexGuard<'_, Reins<S>> {
    reins.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs until a stop, with the newest good settings.
///
/// # Errors
/// What `run` ended with.
pub(crate) async fn lives<S, F>(
    file: Option<PathBuf>,
    mut settings: S,
    run: impl Fn(S, CancellationToken) -> F,
) -> anyhow::Result<()>
where
    S: Settings + Send + 'static,
    F: Future<Output = anyhow::Result<()>>,
{
    let limit = settings.shared().http.shutdown_timeout;
    let first: Reins<S> = Reins {
        shutdown: CancellationToken::new(),
        limit,
        next: None,
        stopping: false,
        deadline: None,
    };
    let reins = Arc::new(Mutex::new(first));
    let watching = tokio::spawn(watch::<S>(Signals::new()?, file, Arc::clone(&reins)));
    let ended = loop {
        let shutdown = lock(&reins).shutdown.clone();
        let ended = run(settings, shutdown).await;
        let mut now = lock(&reins);
        let next = if now.stopping || ended.is_err() { None } else { now.next.take() };
        let Some(next) = next else { break ended };
        (now.shutdown, now.limit, now.deadline) =
            (CancellationToken::new(), next.shared().http.shutdown_timeout, None);
        tracing::info!("begins anew with the new settings");
        settings = next;
    };
    watching.abort();
    ended
}

enum Heard {
    Stop,
    Reload,
    TooLate,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let [terminate, interrupt, hangup] =
            [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
        Ok(Self { terminate: terminate?, interrupt: interrupt?, hangup: hangup? })
    }

    async fn next(&mut self, deadline: Option<Instant>) -> Heard {
        let late = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => Heard::Stop,
            _ = self.interrupt.recv() => Heard::Stop,
            _ = self.hangup.recv() => Heard::Reload,
            () = late => Heard::TooLate,
        }
    }
}

async fn watch<S: Settings>(mut signals: Signals, file: Option<PathBuf>, reins: Shared<S>) {
    loop {
        let deadline = lock(&reins).deadline;
        match signals.next(deadline).await {
            Heard::Stop => {
                let mut now = lock(&reins);
                if now.stopping {
                    tracing::warn!("second signal, leaving at once");
                    std::process::exit(1);
                }
                tracing::info!("stopping");
                (now.stopping, now.next) = (true, None);
                now.end();
            }
            Heard::Reload => {
                let loaded = settings::load::<S>(file.as_deref());
                // A second installation only checks.
                let checked = loaded.and_then(|settings| {
                    telemetry::install(&settings.shared().log).map(|()| settings)
                });
                let mut now = lock(&reins);
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
                let now = lock(&reins);
                // It may have ended, and another life begun, in this moment.
                if now.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                    tracing::warn!(limit = ?now.limit, "not finished in time, leaving; what was held is delivered again");
                    std::process::exit(1);
                }
            }
        }
    }
}

impl<S> Reins<S> {
    fn end(&mut self) {
        self.deadline.get_or_insert_with(|| Instant::now() + self.limit);
        self.shutdown.cancel();
    }
}
