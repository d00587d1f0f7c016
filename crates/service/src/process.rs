//! How a process starts, stops, and waits for what it cannot work without.

use std::future::Future;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::health::Health;
use crate::settings::{self, Settings, SettingsError};
use crate::signals::{Heard, Signals};
use crate::telemetry::{self, LogSettings};
use crate::{reload, signals};

pub use crate::settings::ProcessSettings;

/// The `main` of a service: loads settings, installs logs, metrics and signal handlers, calls
/// `run`, and returns the exit code.
///
/// - Wrong settings exit with code 2.
/// - The first SIGTERM or SIGINT cancels the token of `run`. A second one ends the process at once,
///   and so does `http.shutdown_timeout`: the broker delivers again what the process held.
/// - SIGHUP loads the settings again. If they are good, `run` ends as it does at a stop and is
///   called again with the new settings.
pub fn main<S, F>(file: Option<&Path>, run: impl Fn(S, CancellationToken) -> F) -> ExitCode
where
    S: Settings + Send + 'static,
    F: Future<Output = anyhow::Result<()>>,
{
    let serve = |settings| reload::run_until_stopped(file.map(Path::to_owned), settings, run);
    execute(file, LogSettings::clone, serve, |error| tracing::error!("{error:#}"))
}

/// The `main` of an operator's command, whose result is its output. Three things differ from
/// [`main`]: only warnings are logged unless `log.filter` is set, an error is one sentence on
/// stderr, and SIGHUP ends the process.
pub fn command<S, F>(file: Option<&Path>, run: impl FnOnce(S, CancellationToken) -> F) -> ExitCode
where
    S: Settings,
    F: Future<Output = anyhow::Result<()>>,
{
    let once = |settings: S| async move {
        let shutdown = CancellationToken::new();
        let limit = settings.process().http.shutdown_timeout;
        tokio::spawn(stop_on_signal(Signals::to_stop()?, shutdown.clone(), limit));
        run(settings, shutdown).await
    };
    execute(file, LogSettings::quiet, once, |error| {
        #[allow(clippy::print_stderr, reason = "a command reports its own failure")]
        {
            eprintln!("{error:#}");
        }
    })
}

fn execute<S, F>(
    file: Option<&Path>,
    log_as: impl FnOnce(&LogSettings) -> LogSettings,
    run: impl FnOnce(S) -> F,
    say: impl FnOnce(&anyhow::Error),
) -> ExitCode
where
    S: Settings,
    F: Future<Output = anyhow::Result<()>>,
{
    // Dependencies bring two cryptography providers. Without a choice, the first TLS connection
    // panics.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let loaded = settings::load::<S>(file).and_then(|settings| {
        telemetry::install(&log_as(&settings.process().log)).map(|()| settings)
    });
    let settings = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return refused(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime could not be started");
            return ExitCode::FAILURE;
        }
    };
    let code = match runtime.block_on(async { run(settings).await }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<SettingsError>() {
            Some(error) => refused(error),
            None => {
                say(&error);
                ExitCode::FAILURE
            }
        },
    };
    // A stuck thread of a library must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

/// Prints the documented defaults of all settings of a program.
pub fn print_defaults<S: Settings>() -> ExitCode {
    #[allow(clippy::print_stdout, reason = "printing is what the command is for")]
    {
        println!("{}", settings::layers::<S>().join("\n"));
    }
    ExitCode::SUCCESS
}

fn refused(error: &SettingsError) -> ExitCode {
    #[allow(clippy::print_stderr, reason = "the log may not be installed yet")]
    {
        eprintln!("{error}");
    }
    ExitCode::from(settings::EXIT_CODE)
}

/// Cancels `shutdown` at the first signal. A second one, or `limit` after the first, ends the
/// process.
async fn stop_on_signal(mut signals: Signals, shutdown: CancellationToken, limit: Duration) {
    signals.next(None).await;
    tracing::info!("stopping");
    shutdown.cancel();
    match signals.next(Some(tokio::time::Instant::now() + limit)).await {
        Heard::TooLate => signals::leave_late(limit),
        Heard::Stop | Heard::Reload => signals::leave_at_once(),
    }
}

/// Repeats `attempt` until it succeeds; meanwhile the condition `name` shows why it fails. A
/// process whose model or store is missing stays up, not ready, and continues by itself. Returns
/// `None` when the process is stopping.
///
/// # Errors
/// The first error for which `may_pass` says that trying again cannot help.
pub async fn until_works<T, E, F>(
    health: &Health,
    name: &str,
    shutdown: &CancellationToken,
    may_pass: impl Fn(&E) -> bool,
    mut attempt: impl FnMut() -> F,
) -> Result<Option<T>, E>
where
    E: std::fmt::Display,
    F: Future<Output = Result<T, E>>,
{
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
    loop {
        let tried = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(None),
            tried = attempt() => tried,
        };
        match tried {
            Ok(value) => {
                health.ok(name);
                return Ok(Some(value));
            }
            Err(error) if may_pass(&error) => {
                tracing::error!(%error, condition = name, "cannot start yet, will try again");
                health.trouble(name, error.to_string());
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.pause()) => {}
            () = shutdown.cancelled() => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn an_attempt_is_repeated_while_its_error_may_pass() {
        let (health, shutdown) = (Health::default(), CancellationToken::new());
        health.require(["store"]);
        let attempts = Cell::new(0);
        let attempt = || async {
            attempts.set(attempts.get() + 1);
            if attempts.get() < 2 { Err("away") } else { Ok(attempts.get()) }
        };
        let worked = until_works(&health, "store", &shutdown, |_| true, attempt).await;
        assert_eq!(worked, Ok(Some(2)));
        assert!(health.troubles().is_empty(), "{:?}", health.troubles());

        let attempt = || async { Err::<(), _>("broken") };
        let refused = until_works(&health, "store", &shutdown, |_| false, attempt).await;
        assert_eq!(refused, Err("broken"));
    }

    #[tokio::test]
    async fn a_stop_ends_the_waiting_and_the_reason_stays_visible() {
        let (health, shutdown) = (Health::default(), CancellationToken::new());
        let attempt = || async {
            shutdown.cancel();
            Err::<(), _>("away")
        };
        let stopped = until_works(&health, "store", &shutdown, |_| true, attempt).await;
        assert_eq!(stopped, Ok(None));
        assert_eq!(health.troubles().get("store").map(String::as_str), Some("away"));
    }
}
