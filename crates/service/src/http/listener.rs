//! The listener of an HTTP interface. It limits the number of connections and the time in which the
//! headers of a request must arrive.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Connections at once; further ones wait to be accepted. Below the usual limit of open files,
/// which the connections to the store and the broker share.
const MOST_CONNECTIONS: usize = 768;
/// Time in which all headers of a request must arrive, for every request of a connection.
pub(crate) const HEADERS_WITHIN: Duration = Duration::from_secs(30);
// Pause after a failed accept. The process is probably out of open files, and would spin without
// it.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// Serves until shutdown, and then until the requests in hand are answered. Closes a connection
/// when the headers of a request do not arrive within `headers_within`; that includes idle
/// connections.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    headers_within: Duration,
    shutdown: CancellationToken,
) {
    // HTTP/1 only: hyper's protocol detection has no timeout while it waits for the first bytes.
    let mut http = Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(headers_within);
    let (graceful, places) = (GracefulShutdown::new(), Arc::new(Semaphore::new(MOST_CONNECTIONS)));
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
        // Answers are small. Without this option each may wait 40 ms for a delayed acknowledgement.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(socket), service));
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::{Instant, timeout};

    use super::*;

    const WITHIN: Duration = Duration::from_millis(500);

    #[tokio::test]
    async fn a_connection_that_does_not_say_what_it_wants_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let router = Router::new().fallback(async || "here");
        let server = tokio::spawn(serve(listener, router, WITHIN, shutdown.clone()));

        let whole = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        // `PRI * HT` is how a client of HTTP/2 begins.
        for opening in ["", "P", "PRI * HT", "GET / HTTP/1.1\r\nhost: x\r\n", whole] {
            let mut socket = TcpStream::connect(address).await.unwrap();
            let begun = Instant::now();
            socket.write_all(opening.as_bytes()).await.unwrap();
            let mut said = Vec::new();
            let ended = timeout(WITHIN * 120, socket.read_to_end(&mut said)).await;
            assert!(ended.is_ok(), "{opening:?} is kept");
            assert!(begun.elapsed() >= WITHIN, "{opening:?} had {:?} only", begun.elapsed());
            assert_eq!(
                said.ends_with(b"here"),
                opening == whole,
                "{opening:?}: {}",
                String::from_utf8_lossy(&said)
            );
        }
        shutdown.cancel();
        server.await.unwrap();
    }
}
