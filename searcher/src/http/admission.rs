//! Admission: load is limited, and excess load is shed at once. A body is read before its request
//! takes a permit, so slow senders hold up nobody else. As many requests as can be worked on have a
//! permit, some wait for one, and the rest is refused instead of being answered too late.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::problem::Problem;

/// A body of at most this size needs no permit for large bodies.
const SMALL_BYTES: u64 = 64 << 10;
/// Time within which a small body must have arrived.
const SMALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of a body that is too large is read and thrown away.
const MAX_DRAINED_BYTES: usize = 16 << 20;
/// Requests that may wait, for each one that is worked on.
const WAITING_PER_PERMIT: usize = 8;

/// Limits of some routes. Clones share them.
#[derive(Clone)]
pub(crate) struct Admission {
    // Requests that are worked on.
    permits: Arc<Semaphore>,
    // Requests with a permit, and those that wait for one.
    queue: Arc<Semaphore>,
    // Large bodies that are being read or held.
    large: Arc<Semaphore>,
    max_body_bytes: usize,
    // For a large body, and again for the answer.
    timeout: Duration,
}

impl Admission {
    pub(crate) fn new(at_once: usize, max_body_bytes: usize, timeout: Duration) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            permits: semaphore(at_once),
            queue: semaphore(at_once * (1 + WAITING_PER_PERMIT)),
            large: semaphore(at_once),
            max_body_bytes,
            timeout,
        }
    }

    async fn read(&self, body: Body) -> Result<Bytes, Problem> {
        axum::body::to_bytes(body, self.max_body_bytes).await.map_err(|_| self.too_large())
    }

    fn too_large(&self) -> Problem {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the request is larger than {} bytes, or broke off", self.max_body_bytes),
        )
    }
}

/// Admits a request, or answers why not.
pub(crate) async fn admit(
    State(admission): State<Admission>,
    request: Request,
    next: Next,
) -> Response {
    admitted(&admission, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

async fn admitted(
    admission: &Admission,
    request: Request,
    next: Next,
) -> Result<Response, Response> {
    let refused = |problem: Problem| problem.into_response();
    let late =
        |_| refused(Problem::new(StatusCode::REQUEST_TIMEOUT, "the request came too slowly"));
    let (parts, body) = request.into_parts();
    let announced = body.size_hint().exact();
    if announced.is_some_and(|bytes| bytes > admission.max_body_bytes as u64) {
        let _ = timeout(SMALL_TIMEOUT, drain(body)).await;
        return Err(refused(admission.too_large()));
    }
    // Held until the answer is ready: it stands for the memory of the body.
    let mut large_permit = None;
    let body = if announced.is_some_and(|bytes| bytes <= SMALL_BYTES) {
        timeout(SMALL_TIMEOUT, admission.read(body)).await.map_err(late)?.map_err(refused)?
    } else {
        large_permit = Some(
            timeout(admission.timeout / 2, Arc::clone(&admission.large).acquire_owned())
                .await
                .map_err(|_| overloaded())?,
        );
        timeout(admission.timeout, admission.read(body)).await.map_err(late)?.map_err(refused)?
    };
    let _queued = admission.queue.try_acquire().map_err(|_| overloaded())?;
    let _permit = timeout(admission.timeout / 2, admission.permits.acquire())
        .await
        .map_err(|_| overloaded())?;
    let answer =
        timeout(admission.timeout, next.run(Request::from_parts(parts, body.into()))).await;
    drop(large_permit);
    answer.map_err(|_| {
        let detail = format!("not answered within {:?}; try again later", admission.timeout);
        refused(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
    })
}

/// Reads some of a refused body: many clients read no answer before they have sent everything.
async fn drain(body: Body) {
    let (mut body, mut drained) = (pin!(body), 0);
    while drained < MAX_DRAINED_BYTES
        && let Some(Ok(frame)) = poll_fn(|context| body.as_mut().poll_frame(context)).await
    {
        drained += frame.data_ref().map_or(0, Bytes::len);
    }
}

fn overloaded() -> Response {
    let problem =
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once; try again later");
    let mut response = problem.into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
