//! Admission: load is limited, and excess load is shed at once. A body is read before its request
//! takes a permit, so slow senders hold up nobody else. As many requests as can be worked on have a
//! permit, some wait for one, and the rest is refused instead of being answered too late.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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

/// The place of a request among those that are worked on. Handlers find it in the extensions of the
/// request. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct WorkPlace(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl WorkPlace {
    fn new(permit: OwnedSemaphorePermit) -> Self {
        Self(Arc::new(Mutex::new(Some(permit))))
    }

    /// Lets another request take the place.
    pub(crate) fn leave(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

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
    let (mut parts, body) = request.into_parts();
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
                .map_err(|_| refused(overloaded()))?,
        );
        timeout(admission.timeout, admission.read(body)).await.map_err(late)?.map_err(refused)?
    };
    let _queued = admission.queue.try_acquire().map_err(|_| refused(overloaded()))?;
    let permit = timeout(admission.timeout / 2, Arc::clone(&admission.permits).acquire_owned());
    let permit = permit.await.ok().and_then(Result::ok).ok_or_else(|| refused(overloaded()))?;
    let place = WorkPlace::new(permit);
    parts.extensions.insert(place.clone());
    let answer =
        timeout(admission.timeout, next.run(Request::from_parts(parts, body.into()))).await;
    place.leave();
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

/// 503: as many requests as may wait do so.
pub(super) fn overloaded() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once; try again later")
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use axum::{Extension, Router, middleware};
    use tokio::sync::Notify;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn who_leaves_its_place_lets_others_be_answered() {
        let (began, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (begin, end) = (Arc::clone(&began), Arc::clone(&done));
        let slow = get(async move |Extension(place): Extension<WorkPlace>| {
            place.leave();
            begin.notify_one();
            end.notified().await;
            "slow"
        });
        let admission = Admission::new(1, 1024, Duration::from_secs(60));
        let router = Router::new()
            .route("/slow", slow)
            .route("/quick", get(async || "quick"))
            .layer(middleware::from_fn_with_state(admission, admit));
        let ask = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            router.clone().oneshot(request).await.unwrap().status()
        };
        let (slow, ()) = tokio::join!(ask("/slow"), async {
            began.notified().await;
            assert_eq!(ask("/quick").await, StatusCode::OK);
            done.notify_one();
        });
        assert_eq!(slow, StatusCode::OK);
    }

    #[tokio::test]
    async fn excess_load_is_shed_at_once_with_a_pause() {
        let admission = Admission::new(1, 1024, Duration::from_secs(60));
        let _all = admission.queue.try_acquire_many(9).unwrap();
        let router = Router::new()
            .route("/", get(async || "here"))
            .layer(middleware::from_fn_with_state(admission.clone(), admit));
        let answer = router.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()["retry-after"], "1");
    }
}
