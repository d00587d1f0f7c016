//! Connections to an HTTP interface: a limited number, each of which must say within a time what it wants.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// More than these wait to be accepted. Below the usual limit of open files, which the store and the broker need too.
const MOST_AT_ONCE: usize = 768;
/// All headers of a request must have come within this time, whether it is the first of its connection or not.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);
// Out of open files, most likely: trying again at once would only spin.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// Serves until shutdown, and then until the requests that have begun are answered.
pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    // Of HTTP/1 alone: the builder waits without a limit for the first bytes, to tell it from HTTP/2.
    let mut http = Builder::new(TokioExecutor::new()).http1_only();
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
    let (graceful, places) = (GracefulShutdown::new(), Arc::new(Semaphore::new(MOST_AT_ONCE)));
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accepted => accepted,
            () = shutdown.cancelled() => break,
        };
        let socket = match accepted {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(AFTER_FAILURE).await;
                continue;
            }
        };
        // Answers are small: without this each one may wait 40 ms for the client's delayed acknowledgement.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let service = TowerToHyperService::new(router.clone());
        let connection = http.serve_connection_with_upgrades(TokioIo::new(socket), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}
