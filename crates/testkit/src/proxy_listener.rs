//! A listening address that can be closed and opened again, and whose connections can be cut.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The listening side of a proxy. Dropping it cuts every connection.
pub(crate) struct ProxyListener {
    address: SocketAddr,
    wanted: watch::Sender<bool>,
    listening: watch::Receiver<bool>,
    connections: Arc<Mutex<CancellationToken>>,
    _stop: DropGuard,
}

impl ProxyListener {
    /// Listens on a free port of the loopback interface and hands each connection to `serve`, which
    /// runs until the connection is cut.
    pub(crate) async fn start<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(TcpStream) -> F + Send + Sync + 'static,
    ) -> Self {
        let stop = CancellationToken::new();
        let connections = Arc::new(Mutex::new(stop.child_token()));
        let first = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = first.local_addr().expect("an address");
        let (wanted, mut wish) = watch::channel(true);
        let (report, listening) = watch::channel(true);
        let (life, current) = (stop.clone(), Arc::clone(&connections));
        tokio::spawn(life.clone().run_until_cancelled_owned(async move {
            let mut listener = Some(first);
            loop {
                let open = match listener.take() {
                    Some(open) => open,
                    None => bind(address).await,
                };
                report.send_replace(true);
                loop {
                    let stream = tokio::select! {
                        accepted = open.accept() => accepted,
                        changed = wish.wait_for(|open| !open) => match changed {
                            Ok(_) => break,
                            Err(_) => return,
                        },
                    };
                    let Ok((stream, _)) = stream else { continue };
                    let _ = stream.set_nodelay(true);
                    let cut = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    tokio::spawn(cut.run_until_cancelled_owned(serve(stream)));
                }
                drop(open);
                report.send_replace(false);
                if wish.wait_for(|open| *open).await.is_err() {
                    return;
                }
            }
        }));
        Self { address, wanted, listening, connections, _stop: stop.drop_guard() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every open connection; new ones are accepted.
    pub(crate) fn cut(&self) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.cancel();
        *connections = CancellationToken::new();
    }

    /// Stops listening, so that the kernel refuses new connections, and ends the open ones.
    pub(crate) async fn shut(&self) {
        self.wanted.send_replace(false);
        let _ = self.listening.clone().wait_for(|listening| !listening).await;
        self.cut();
    }

    /// Listens again on the same address.
    pub(crate) async fn open(&self) {
        self.wanted.send_replace(true);
        let _ = self.listening.clone().wait_for(|listening| *listening).await;
    }
}

impl Drop for ProxyListener {
    fn drop(&mut self) {
        self.cut();
    }
}

// Another process may hold the port for a moment: it is one of the ephemeral ports.
async fn bind(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
