//! How a process starts, answers for itself and stops.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::connection::Backoff;
use crate::connections;
use crate::health::Health;
use crate::problem;
use crate::reload;
use crate::settings::{self, Settings, SettingsError};
use crate::telemetry::{self, LogSettings};

/// `[http]`: where the process listens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Address and port; port 0 takes a free one and logs it.
    pub listen: SocketAddr,
    /// Time a stopping process has to finish what has begun.
    #[serde(with = "humantime_serde")]
    pub shutdown_timeout: Duration,
}

/// What starting a process needs of a service's settings.
#[derive(Debug, Clone)]
pub struct Shared {
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
    let lives = |settings| reload::lives(file.map(Path::to_owned), settings, run);
    execute(file, LogSettings::clone, lives, |error| tracing::error!("{error:#}"))
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
        tokio::spawn(watch_signals(shutdown.clone(), settings.shared().http.shutdown_timeout));
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
        telemetry::install(&log_as(&settings.shared().log)).map(|()| settings)
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
        println!("{}\n{}", settings::SHARED_DEFAULTS, S::DEFAULTS);
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

async fn watch_signals(shutdown: CancellationToken, limit: Duration) {
    signal().await;
    tracing::info!("stopping");
    shutdown.cancel();
    tokio::select! {
        () = signal() => tracing::warn!("second signal, leaving at once"),
        () = tokio::time::sleep(limit) => tracing::warn!(?limit, "not finished in time, leaving; what was held is delivered again"),
    }
    std::process::exit(1);
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        _ => std::future::pending().await,
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

/// Binds the listening socket.
///
/// # Errors
/// The address is taken or not ours; the message names the setting.
pub async fn bind(settings: &HttpSettings) -> Result<TcpListener, SettingsError> {
    let listener = TcpListener::bind(settings.listen).await;
    listener.map_err(|error| {
        SettingsError::value(
            "http.listen",
            format!("cannot listen on {}: {error}", settings.listen),
        )
    })
}

/// Serves `router` together with `/healthz` (the process lives), `/readyz` (it can work, or 503 and
/// what is wrong) and `/metrics`, until shutdown.
///
/// # Errors
/// The socket failed.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    tracing::info!(address = %listener.local_addr()?, "listening");
    let ready = { move || std::future::ready(readiness(&health)) };
    let router = router
        .route("/healthz", get(|| std::future::ready("ok")))
        .route("/readyz", get(ready))
        .route(
            "/metrics",
            get(|| {
                std::future::ready((
                    [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
                    telemetry::render(),
                ))
            }),
        );
    let router = router.layer(map_response(problem::instead_of_plain)).layer(map_response(nosniff));
    let upkeep = shutdown.clone();
    tokio::spawn(async move {
        while tokio::time::timeout(Duration::from_secs(5), upkeep.cancelled()).await.is_err() {
            telemetry::upkeep();
        }
    });
    connections::serve(listener, router, connections::HEADERS_WITHIN, shutdown).await;
    Ok(())
}

/// No browser may take an answer for something else than it says it is.
async fn nosniff(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn readiness(health: &Health) -> Response {
    let troubles = health.troubles();
    let status = if troubles.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body =
        json!({ "ready": troubles.is_empty(), "troubles": troubles, "notes": health.notes() });
    (status, axum::Json(body)).into_response()
}
