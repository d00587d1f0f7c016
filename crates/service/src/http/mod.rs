//! What every process answers over HTTP, and how it listens.

pub mod access;
pub mod gate;
mod listener;
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
use crate::settings::SettingsError;
use crate::telemetry;

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
    listener::serve(listener, router, listener::HEADERS_WITHIN, shutdown).await;
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
