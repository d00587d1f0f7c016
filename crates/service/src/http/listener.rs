//! Connections to an HTTP interface: a limited number, each of which must say within a time what it
//! wants.

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

/// More than these wait to be accepted. Below the usual limit of open files, which the store and
/// the broker need too.
const MOST_AT_ONCE: usize = 768;
/// All headers of a request must have come within this time, whether it is the first of its
/// connection or not.
pub(crate) const HEADERS_WITHIN: Duration = Duration::from_secs(30);
// Out of open files, most likely: trying again at once would only spin.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// Serves until shutdown, and then until the requests that have begun are answered. Closes
/// connections on which the headers of a request, the first or a further one, are not there within
/// `headers_within`.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    headers_within: Duration,
    shutdown: CancellationToken,
) {
    // Of HTTP/1 alone: what tells it from HTTP/2 waits without a limit for the bytes that make the
    // difference.
    let mut http = Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(headers_within);
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
        // Answers are small: without this each one may wait 40 ms for the client's delayed
        // acknowledgement.
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
