//! An S3 server for development and tests: one process, one folder, no account.
//!
//! Tables commit by conditional writes, so a store that checks and writes in two steps loses rows
//! without any error. This one holds its keys in memory; it checks a condition, renames the file
//! and adds the key under one lock. Of many writers of one key exactly one wins, readers see whole
//! objects, and listings are in byte order with the same ETag as HEAD and GET. Like MinIO it
//! streams notifications of changes (`ListenBucketNotification`). For measurements it can answer
//! late, and `GET /-/requests` answers how many requests it got (`counts.rs`).
//!
//! It does not offer durability against power loss (nothing is synced), access control (one key
//! pair sees all buckets), versions, object locks or server-side encryption. Checksums of clients
//! are accepted and not verified.

mod body;
mod cors;
mod counts;
mod listen;
mod listing;
mod service;
mod store;
mod upload;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto, graceful::GracefulShutdown},
};
use s3s::{
    Body, HttpError,
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    counts::RequestCounts,
    listen::{NotificationRoute, Notifier},
    service::Devstore,
    store::FolderStore,
};

/// How long [`Server::stop`] waits for requests in progress.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// Options of a server.
pub struct Options {
    /// Folder that holds the objects; created when missing, and used by one server at a time.
    pub root: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The only access key.
    pub access_key: String,
    /// The secret of that key.
    pub secret_key: String,
    /// Buckets to create when they are missing.
    pub buckets: Vec<String>,
    /// How long every request waits before it is worked on, as if the store were far away.
    pub delay: Duration,
}

/// A serving store. Dropping it stops it too, without waiting for requests in progress.
pub struct Server {
    address: SocketAddr,
    stop: DropGuard,
    task: JoinHandle<()>,
}

/// Opens the folder and serves it until the returned [`Server`] is stopped or dropped.
pub async fn start(options: Options) -> anyhow::Result<Server> {
    let store = FolderStore::open(&options.root)
        .with_context(|| format!("folder {} cannot be used as a store", options.root.display()))?;
    for bucket in &options.buckets {
        store.create_bucket(bucket).with_context(|| {
            format!("bucket {bucket} cannot be created; see the naming rules of S3")
        })?;
    }
    let (store, changes, stop) = (Arc::new(store), Notifier::new(), CancellationToken::new());
    let mut service = S3ServiceBuilder::new(Devstore::new(Arc::clone(&store), changes.clone()));
    service.set_route(NotificationRoute { store, changes, stop: stop.clone() });
    service.set_auth(SimpleAuth::from_single(options.access_key, options.secret_key));

    let listener = TcpListener::bind(options.listen).await.with_context(|| {
        format!("cannot listen on {}; choose another address or port 0", options.listen)
    })?;
    let address = listener.local_addr()?;
    let desk = Desk { service: service.build(), counts: Arc::default(), delay: options.delay };
    let task = tokio::spawn(serve(listener, desk, stop.clone()));
    Ok(Server { address, stop: stop.drop_guard(), task })
}

impl Server {
    /// The URL that S3 clients are given, with path-style addressing.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops accepting, lets requests in progress finish (five seconds at most) and releases the
    /// folder.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the server's task ended badly");
        }
    }
}

/// What every request passes before the S3 protocol.
#[derive(Clone)]
struct Desk {
    service: S3Service,
    counts: Arc<RequestCounts>,
    delay: Duration,
}

impl Desk {
    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, HttpError> {
        if request.uri().path() == counts::PATH {
            return Ok(Response::new(Body::from(self.counts.to_json())));
        }
        self.counts.add(request.method(), request.uri());
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        cors::answer(self.service, request).await
    }
}

fn open_to_pages(
    desk: Desk,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response<Body>,
    Error = HttpError,
    Future: Send + 'static,
> + Clone {
    service_fn(move |request| desk.clone().answer(request))
}

async fn serve(listener: TcpListener, desk: Desk, stop: CancellationToken) {
    let http = auto::Builder::new(TokioExecutor::new());
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let socket = match accepted {
            Ok((socket, _)) => socket,
            Err(error) => {
                // Most likely out of file descriptors; an immediate retry would only spin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Without this, a small answer may wait 40 ms for the client's delayed acknowledgement.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let connection =
            http.serve_connection(TokioIo::new(socket), open_to_pages(desk.clone())).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(STOP_DEADLINE, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still running at the deadline and were cut off");
    }
}
