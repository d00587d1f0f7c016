//! How a process starts, answers for itself and stops.

use std::future::Future;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::health::Health;
use crate::http::HttpSettings;
use crate::settings::{self, Settings, SettingsError};
use crate::signals::{Heard, Signals};
use crate::telemetry::{self, LogSettings};
use crate::{reload, signals};

/// What starting a process needs of a service's settings.
#[derive(Debug, Clone)]
pub struct ProcessSettings {
    /// Logging.
    pub log: LogSettings,
    /// Listening and stopping.
    pub http: HttpSettings,
}

/// The `main` of a service: settings, logs and metrics, signals, `run` until it returns, exit code.
/// Wrong settings exit with code 2. The first SIGTERM or SIGINT cancels the token; a second one, or
/// `shutdown_timeout`, ends the process at once: redelivery covers what it held. SIGHUP reads the
/// settings again and, if they are good, lets `run` end as at a stop and starts it anew with them
/// (reload.rs).
pub fn main<S, F>(file: Option<&Path>, run: impl Fn(S, CancellationToken) -> F) -> ExitCode
where
    S: Settings + Send + 'static,
    F: Future<Output = anyhow::Result<()>>,
{
    let serve = |settings| reload::run_until_stopped(file.map(Path::to_owned), settings, run);
    execute(file, LogSettings::clone, serve, |error| tracing::error!("{error:#}"))
}

/// The `main` of an operator's command: as [`main`], but its result is what it writes to stdout, so
/// that only warnings are logged unless `log.filter` is set, an error is one sentence on stderr,
/// and SIGHUP ends it.
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
        #[allow(clippy::print_stderr, reason = "it is what a command says when it fails")]
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
    // The libraries bring two cryptography providers; without a choice, the first TLS connection
    // would panic.
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
    // Threads of a stuck library must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

/// Prints the documented defaults of all settings of a service.
pub fn print_defaults<S: Settings>() -> ExitCode {
    #[allow(clippy::print_stdout, reason = "it is what the command is for")]
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

/// Cancels `shutdown` at the first signal; a second one, or `limit`, ends the process.
async fn stop_on_signal(mut signals: Signals, shutdown: CancellationToken, limit: Duration) {
    signals.next(None).await;
    tracing::info!("stopping");
    shutdown.cancel();
    match signals.next(Some(tokio::time::Instant::now() + limit)).await {
        Heard::TooLate => signals::leave_late(limit),
        Heard::Stop | Heard::Reload => signals::leave_at_once(),
    }
}

/// Tries until it works, and shows meanwhile why it does not: a process whose model or store is
/// away stays up, unready, and goes on by itself. `None`: the process is stopping.
///
/// # Errors
/// The attempt's own, where it says by `may_pass` that trying again cannot help.
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
            Ok(works) => {
                health.ok(name);
                return Ok(Some(works));
            }
            Err(error) if may_pass(&error) => {
                tracing::error!(%error, condition = name, "cannot begin yet, will try again");
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
