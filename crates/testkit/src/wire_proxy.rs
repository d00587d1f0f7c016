//! A network cable to the broker that can be cut, frozen or lead nowhere.

use std::future::pending;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use crate::gate::Gate;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Pass,
    Freeze,
    Swallow,
}

/// A TCP proxy in front of a server. Everything can be switched at any time.
pub struct WireProxy {
    gate: Gate,
    flow: watch::Sender<Flow>,
}

impl WireProxy {
    /// Starts it in front of `upstream` (host and port), passing everything.
    pub async fn start(upstream: String) -> Self {
        let (flow, state) = watch::channel(Flow::Pass);
        let gate = Gate::start(move |client| {
            let (upstream, state) = (upstream.clone(), state.clone());
            async move {
                // A server that is away looks to the client as if it hung up at once.
                if let Ok(server) = TcpStream::connect(upstream).await {
                    let _ = server.set_nodelay(true);
                    join(client, server, state).await;
                }
            }
        });
        Self { gate: gate.await, flow }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.gate.address()
    }

    /// Lets everything through again. What was frozen goes on where it stopped; a connection of
    /// which bytes were swallowed stays dead, as behind a firewall that forgot it, until
    /// [`Self::cut`].
    pub async fn pass(&self) {
        self.flow.send_replace(Flow::Pass);
        self.gate.open().await;
    }

    /// Takes no more bytes in either direction and closes nothing: send buffers fill up, nobody is
    /// told.
    pub fn freeze(&self) {
        self.flow.send_replace(Flow::Freeze);
    }

    /// Takes all bytes and passes none on, and keeps connections open even where the other side
    /// hung up.
    pub fn swallow(&self) {
        self.flow.send_replace(Flow::Swallow);
    }

    /// Ends every connection; new ones are taken.
    pub fn cut(&self) {
        self.gate.cut();
    }

    /// Ends every connection and refuses new ones until [`Self::pass`].
    pub async fn refuse(&self) {
        self.gate.shut().await;
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
