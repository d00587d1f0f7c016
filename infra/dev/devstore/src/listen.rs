//! `ListenBucketNotification`, the extension of MinIO: an endless answer with one line of JSON per
//! change of a bucket.
//!
//! As with MinIO, keys are not encoded, changes before a client connects are not repeated, and a
//! client that reads too slowly misses lines without notice.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use futures::stream;
use hyper::{
    HeaderMap, Method, Uri, body::Bytes, header::CONTENT_TYPE, header::HeaderValue,
    http::Extensions,
};
use s3s::{
    Body, S3Request, S3Response, S3Result,
    dto::{StreamingBlob, Timestamp, TimestampFormat},
    route::S3Route,
    s3_error,
};
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;

use crate::{body::ObjectInfo, store::FolderStore};

/// Most lines that wait for one slow client.
const BACKLOG: usize = 1000;
/// The pause between spaces, which keep the connection alive unless the request has a `ping`.
const SPACE_INTERVAL: Duration = Duration::from_millis(500);

/// Sends changes to every listening client. Clones share the listeners.
#[derive(Clone)]
pub(crate) struct Notifier(broadcast::Sender<Arc<BucketChange>>);

struct BucketChange {
    /// As in `s3:ObjectCreated:Put`.
    event: &'static str,
    bucket: String,
    key: String,
    at: SystemTime,
    /// Size and ETag; `None` after a removal.
    content: Option<(u64, String)>,
}

impl Notifier {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }

    pub(crate) fn created(&self, event: &'static str, bucket: &str, about: &ObjectInfo) {
        self.tell(event, bucket, &about.key, Some((about.size_bytes, about.etag.clone())));
    }

    pub(crate) fn removed(&self, bucket: &str, key: &str) {
        self.tell("s3:ObjectRemoved:Delete", bucket, key, None);
    }

    fn tell(&self, event: &'static str, bucket: &str, key: &str, content: Option<(u64, String)>) {
        let (bucket, key, at) = (bucket.to_owned(), key.to_owned(), SystemTime::now());
        // It fails only without listeners.
        let _ = self.0.send(Arc::new(BucketChange { event, bucket, key, at, content }));
    }
}

/// Answers `GET /BUCKET?events=…`.
pub(crate) struct NotificationRoute {
    pub(crate) store: Arc<FolderStore>,
    pub(crate) changes: Notifier,
    /// Ends the answers, which would otherwise keep the server from stopping.
    pub(crate) stop: CancellationToken,
}

/// Selects the changes that a client asked for.
struct NotificationFilter {
    bucket: String,
    events: Vec<String>,
    prefix: String,
    suffix: String,
    ping: Option<Duration>,
}

#[async_trait]
impl S3Route for NotificationRoute {
    fn is_match(&self, method: &Method, uri: &Uri, _: &HeaderMap, _: &mut Extensions) -> bool {
        let query = uri.query().unwrap_or_default();
        method == Method::GET
            && form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "events")
    }

    // The default `check_access` admits only requests with a verified signature.
    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let filter = NotificationFilter::read(&request.uri)?;
        self.store.check_bucket(&filter.bucket)?;
        let (outbox, mut lines) = mpsc::channel(1);
        tokio::spawn(forward(filter, self.changes.0.subscribe(), outbox, self.stop.clone()));
        let lines = stream::poll_fn(move |context| {
            lines.poll_recv(context).map(|line| line.map(Ok::<Bytes, Infallible>))
        });
        let mut answer = S3Response::new(StreamingBlob::wrap(lines).into());
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        Ok(answer)
    }
}

impl NotificationFilter {
    fn read(uri: &Uri) -> S3Result<Self> {
        let bucket = uri.path().trim_matches('/').to_owned();
        let mut filter = Self {
            bucket,
            events: Vec::new(),
            prefix: String::new(),
            suffix: String::new(),
            ping: None,
        };
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match &*name {
                "events" => filter.events.push(value.into_owned()),
                "prefix" => filter.prefix = value.into_owned(),
                "suffix" => filter.suffix = value.into_owned(),
                "ping" => {
                    let seconds = value.parse().ok().filter(|seconds| (1..=60).contains(seconds));
                    let seconds = seconds.ok_or_else(|| {
                        s3_error!(InvalidArgument, "ping must be from 1 to 60 seconds")
                    })?;
                    filter.ping = Some(Duration::from_secs(seconds));
                }
                _ => {}
            }
        }
        Ok(filter)
    }

    fn wants(&self, change: &BucketChange) -> bool {
        let named = |wanted: &String| match wanted.strip_suffix('*') {
            Some(begin) => change.event.starts_with(begin),
            None => change.event == wanted,
        };
        change.bucket == self.bucket
            && change.key.starts_with(&self.prefix)
            && change.key.ends_with(&self.suffix)
            && self.events.iter().any(named)
    }
}

async fn forward(
    filter: NotificationFilter,
    mut changes: broadcast::Receiver<Arc<BucketChange>>,
    outbox: mpsc::Sender<Bytes>,
    stop: CancellationToken,
) {
    let mut alive = tokio::time::interval(filter.ping.unwrap_or(SPACE_INTERVAL));
    alive.reset();
    loop {
        let line = tokio::select! {
            change = changes.recv() => match change {
                Ok(change) if filter.wants(&change) => {
                    format!("{}\n", json!({ "Records": [record(&change)] }))
                }
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => continue,
                Err(broadcast::error::RecvError::Closed) => return,
            },
            _ = alive.tick() => match filter.ping {
                Some(_) => "{\"Records\":null}\n".to_owned(),
                None => " ".to_owned(),
            },
            () = outbox.closed() => return,
            () = stop.cancelled() => return,
        };
        if outbox.send(line.into()).await.is_err() {
            return;
        }
    }
}

fn record(change: &BucketChange) -> Value {
    let mut time = Vec::new();
    // Writing to a vector cannot fail; at worst the client finds no time.
    let _ = Timestamp::from(change.at).format(TimestampFormat::DateTime, &mut time);
    let sequence = change.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let mut object = json!({ "key": change.key, "sequencer": format!("{sequence:X}") });
    if let Some((size, etag)) = &change.content {
        object["size"] = json!(size);
        object["eTag"] = json!(etag);
    }
    json!({
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "awsRegion": "",
        "eventTime": String::from_utf8_lossy(&time),
        "eventName": change.event,
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "Config",
            "bucket": { "name": change.bucket, "arn": format!("arn:aws:s3:::{}", change.bucket) },
            "object": object,
        },
    })
}
