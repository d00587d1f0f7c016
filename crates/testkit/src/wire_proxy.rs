//! A TCP proxy to the broker that can cut, freeze or swallow the traffic.

use std::future::pending;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use crate::proxy_listener::ProxyListener;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Pass,
    Freeze,
    Swallow,
}

/// A TCP proxy in front of a server; it can be switched at any time.
pub struct WireProxy {
    listener: ProxyListener,
    flow: watch::Sender<Flow>,
}

impl WireProxy {
    /// Starts it in front of `upstream` (host and port), passing everything.
    pub async fn start(upstream: String) -> Self {
        let (flow, state) = watch::channel(Flow::Pass);
        let listener = ProxyListener::start(move |client| {
            let (upstream, state) = (upstream.clone(), state.clone());
            async move {
                // Where the server is away, the client sees a connection that closes at once.
                if let Ok(server) = TcpStream::connect(upstream).await {
                    let _ = server.set_nodelay(true);
                    join(client, server, state).await;
                }
            }
        });
        Self { listener: listener.await, flow }
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Passes everything again. Frozen connections continue where they stopped. A connection that
    /// lost bytes stays dead until [`Self::cut`], as behind a firewall that forgot it.
    pub async fn pass(&self) {
        self.flow.send_replace(Flow::Pass);
        self.listener.open().await;
    }

    /// Reads no more bytes in either direction and closes nothing: send buffers fill up silently.
    pub fn freeze(&self) {
        self.flow.send_replace(Flow::Freeze);
    }

    /// Reads all bytes and passes none on; connections stay open even after the other side closed
    /// them.
    pub fn swallow(&self) {
        self.flow.send_replace(Flow::Swallow);
    }

    /// Ends every connection; new ones are accepted.
    pub fn cut(&self) {
        self.listener.cut();
    }

    /// Ends every connection and refuses new ones until [`Self::pass`].
    pub async fn refuse(&self) {
        self.listener.shut().await;
    }
}

async fn join(client: TcpStream, server: TcpStream, flow: watch::Receiver<Flow>) {
    let ((client_read, client_write), (server_read, server_write)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        () = pump(client_read, server_write, flow.clone()) => {}
        () = pump(server_read, client_write, flow) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut flow: watch::Receiver<Flow>) {
    let mut buffer = vec![0; 16 << 10];
    let mut swallowing = false;
    loop {
        if flow.wait_for(|flow| *flow != Flow::Freeze).await.is_err() {
            return;
        }
        swallowing |= *flow.borrow() == Flow::Swallow;
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = flow.changed() => continue,
        };
        match read {
            Ok(0) | Err(_) if swallowing => pending().await,
            Ok(0) | Err(_) => return,
            Ok(_) if swallowing => {}
            Ok(count) => {
                if to.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
