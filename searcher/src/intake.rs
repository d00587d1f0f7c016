//! What lets requests in: bodies are read before they take a turn, so that slow senders hold up
//! nobody else; as many requests as can be worked on have a turn, some wait for one, and the rest
//! is turned away at once instead of being answered too late.

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

/// A body of at most this size needs no place among the large ones.
const SMALL_BYTES: u64 = 64 << 10;
/// Time in which a small one must have come.
const SMALL_WITHIN: Duration = Duration::from_secs(10);
/// Of a body that is too large so much is taken and thrown away.
const MOST_DRAINED_BYTES: usize = 16 << 20;
/// Requests that wait, for each one that is worked on.
const WAITING_PER_TURN: usize = 8;

/// Limits of some routes. Clones share them.
#[derive(Clone)]
pub(crate) struct Intake {
    turns: Arc<Semaphore>,
    // Those with a turn and those that wait for one.
    places: Arc<Semaphore>,
    // Large bodies that are being read or held.
    large: Arc<Semaphore>,
    max_body_bytes: usize,
    // Of a large body, and then again of the answer.
    limit: Duration,
}

impl Intake {
    pub(crate) fn new(at_once: usize, max_body_bytes: usize, limit: Duration) -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        let (turns, large) = (semaphore(at_once), semaphore(at_once));
        Self {
            turns,
            places: semaphore(at_once * (1 + WAITING_PER_TURN)),
            large,
            max_body_bytes,
            limit,
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

/// Lets a request in, or says why not.
pub(crate) async fn admit(State(intake): State<Intake>, request: Request, next: Next) -> Response {
    admitted(&intake, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

async fn admitted(intake: &Intake, request: Request, next: Next) -> Result<Response, Response> {
    let refused = |problem: Problem| problem.into_response();
    let late =
        |_| refused(Problem::new(StatusCode::REQUEST_TIMEOUT, "the request came too slowly"));
    let (parts, body) = request.into_parts();
    let announced = body.size_hint().exact();
    if announced.is_some_and(|bytes| bytes > intake.max_body_bytes as u64) {
        let _ = timeout(SMALL_WITHIN, drain(body)).await;
        return Err(refused(intake.too_large()));
    }
    // Held until the answer is ready: it stands for the memory of the body.
    let mut of_large = None;
    let body = if announced.is_some_and(|bytes| bytes <= SMALL_BYTES) {
        timeout(SMALL_WITHIN, intake.read(body)).await.map_err(late)?.map_err(refused)?
    } else {
        of_large = Some(
            timeout(intake.limit / 2, Arc::clone(&intake.large).acquire_owned())
                .await
                .map_err(|_| overloaded())?,
        );
        timeout(intake.limit, intake.read(body)).await.map_err(late)?.map_err(refused)?
    };
    let _place = intake.places.try_acquire().map_err(|_| overloaded())?;
    let _turn =
        timeout(intake.limit / 2, intake.turns.acquire()).await.map_err(|_| overloaded())?;
    let answer = timeout(intake.limit, next.run(Request::from_parts(parts, body.into()))).await;
    drop(of_large);
    answer.map_err(|_| {
        let detail = format!("not answered within {:?}; try again later", intake.limit);
        refused(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
    })
}

/// Takes some of a body that nobody wants: many clients read no answer before they have sent what
/// they have.
async fn drain(body: Body) {
    let (mut body, mut drained) = (pin!(body), 0);
    while drained < MOST_DRAINED_BYTES
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
