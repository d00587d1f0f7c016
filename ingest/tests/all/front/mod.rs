//! A store as it looks from behind a proxy: the real one, except for listening, which can be cut
//! and refused.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

/// What becomes of a request to listen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    /// The store answers.
    Pass,
    /// As a store that cannot be reached for the moment.
    Away,
    /// As a store that knows no such request.
    NotImplemented,
    /// As Amazon S3, which ignores what it does not know and lists.
    Lists,
}

/// The proxy; it ends with the test.
pub(crate) struct Front {
    pub(crate) endpoint: String,
    inside: Arc<Inside>,
}

struct Inside {
    store: String,
    client: reqwest::Client,
    mode: Mutex<(Mode, CancellationToken)>,
    asked: AtomicUsize,
}

impl Front {
    pub(crate) async fn before(store: &str, mode: Mode) -> Self {
        let inside = Arc::new(Inside {
            store: store.to_owned(),
            client: reqwest::Client::new(),
            mode: Mutex::new((mode, CancellationToken::new())),
            asked: AtomicUsize::new(0),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(forward).with_state(Arc::clone(&inside));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { endpoint, inside }
    }

    /// Ends all answers to listeners; new ones get what `mode` says.
    pub(crate) fn cut(&self, mode: Mode) {
        let (_, cut) = std::mem::replace(
            &mut *self.inside.mode.lock().unwrap(),
            (mode, CancellationToken::new()),
        );
        cut.cancel();
    }

    /// Requests to listen so far.
    pub(crate) fn asked(&self) -> usize {
        self.inside.asked.load(Ordering::SeqCst)
    }
}

async fn forward(State(front): State<Arc<Inside>>, request: Request) -> Response {
    let listens = request.uri().query().is_some_and(|query| query.contains("events="));
    let (mode, cut) = front.mode.lock().unwrap().clone();
    if listens {
        front.asked.fetch_add(1, Ordering::SeqCst);
        match mode {
            Mode::Pass => {}
            Mode::Away => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Mode::NotImplemented => return StatusCode::NOT_IMPLEMENTED.into_response(),
            Mode::Lists => {
                return "<?xml version=\"1.0\"?>\n<ListBucketResult></ListBucketResult>"
                    .into_response();
            }
        }
    }
    let (head, body) = request.into_parts();
    let url = format!("{}{}", front.store, head.uri);
    let body = to_bytes(body, 64 << 20).await.unwrap();
    // With the headers as they came, the host among them: they are signed.
    let Ok(answer) =
        front.client.request(head.method, url).headers(head.headers).body(body).send().await
    else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let mut response = Response::builder().status(answer.status());
    *response.headers_mut().unwrap() = answer.headers().clone();
    let stream = answer.bytes_stream();
    let body = if listens {
        Body::from_stream(stream.take_until(cut.cancelled_owned()))
    } else {
        Body::from_stream(stream)
    };
    response.body(body).unwrap()
}
