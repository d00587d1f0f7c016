//! The HTTP interface of a process that cannot answer at all times: requests go to its routes while
//! there are any, and are turned away with the reason at other times.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::problem::Problem;

#[derive(Clone)]
struct Front {
    routes: watch::Receiver<Option<Router>>,
    closed: &'static str,
}

/// Routes that follow `routes`; `closed` is what is answered (503) while there are none.
pub fn router(routes: watch::Receiver<Option<Router>>, closed: &'static str) -> Router {
    Router::new().fallback(forward).with_state(Front { routes, closed })
}

async fn forward(State(front): State<Front>, request: Request) -> Response {
    let routes = front.routes.borrow().clone();
    match routes {
        Some(routes) => routes.oneshot(request).await.into_response(),
        None => Problem::new(StatusCode::SERVICE_UNAVAILABLE, front.closed).into_response(),
    }
}
