//! The HTTP interface of every process: the listener, health and metrics, and the parts that
//! several interfaces share.

pub mod access;
pub mod client;
pub mod gate;
pub mod hosts;
mod listener;
pub mod openapi;
pub mod problem;
pub mod same_origin;

use std::net::SocketAddr;
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

use crate::health::Health;
use crate::settings_error::SettingsError;
use crate::settings_list::list;
use crate::telemetry;

const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// `[http]`: where the process listens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Address and port; port 0 takes a free one and logs it.
    pub listen: SocketAddr,
    /// Time that a stopping process has to finish the work in hand.
    #[serde(with = "humantime_serde")]
    pub shutdown_timeout: Duration,
    /// Hosts that requests to the program's own routes may name, see [`hosts`]. Programs without
    /// such routes leave it out.
    #[serde(default, deserialize_with = "list")]
    pub hosts: Vec<String>,
}

impl HttpSettings {
    /// Checks the names of hosts.
    ///
    /// # Errors
    /// An entry is no host name.
    pub fn validate(&self) -> Result<(), SettingsError> {
        match self.hosts.iter().find(|host| hosts::name_of(host).is_none()) {
            None => Ok(()),
            Some(wrong) => Err(SettingsError::value(
                "http.hosts",
                format!(
                    "'{wrong}' is neither a host name such as pictures.example.org, nor an address \
                     such as https://pictures.example.org, nor * for every host"
                ),
            )),
        }
    }
}

/// Binds the listening socket.
///
/// # Errors
/// The address is taken, or not an address of this machine. The message names the setting.
pub async fn bind(settings: &HttpSettings) -> Result<TcpListener, SettingsError> {
    let listener = TcpListener::bind(settings.listen).await;
    listener.map_err(|error| {
        SettingsError::value(
            "http.listen",
            format!("cannot listen on {}: {error}", settings.listen),
        )
    })
}

/// Serves `router` until shutdown, and beside it `/healthz` (200: the process is alive), `/readyz`
/// (200: it can work; 503 otherwise, with the reasons) and `/metrics`.
///
/// # Errors
/// The address of the socket cannot be read.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    tracing::info!(address = %listener.local_addr()?, "listening");
    let ready = move || std::future::ready(readiness(&health));
    let router = router
        .route("/healthz", get(|| std::future::ready("ok")))
        .route("/readyz", get(ready))
        .route("/metrics", get(|| std::future::ready(metrics())))
        .layer(map_response(problem::instead_of_plain))
        .layer(map_response(nosniff));
    let ends = shutdown.clone();
    tokio::spawn(async move {
        while tokio::time::timeout(METRICS_UPKEEP, ends.cancelled()).await.is_err() {
            telemetry::upkeep();
        }
    });
    listener::serve(listener, router, listener::HEADERS_WITHIN, shutdown).await;
    Ok(())
}

/// Forbids browsers to guess another content type than the answer's own.
async fn nosniff(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn metrics() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], telemetry::render())
}

fn readiness(health: &Health) -> Response {
    let troubles = health.troubles();
    let status = if troubles.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body =
        json!({ "ready": troubles.is_empty(), "troubles": troubles, "notes": health.notes() });
    (status, axum::Json(body)).into_response()
}
