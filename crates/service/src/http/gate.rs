//! The HTTP interface of a process that cannot answer at all times: requests go to its routes while
//! there are any, and are turned away with the reason at other times.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use tower::ServiceExt;

use super::problem::Problem;

#[derive(Clone)]
struct Gate {
    routes: watch::Receiver<Option<Router>>,
    closed: &'static str,
}

/// Routes that follow `routes`; `closed` is what is answered (503) while there are none.
pub fn router(routes: watch::Receiver<Option<Router>>, closed: &'static str) -> Router {
    Router::new().fallback(forward).with_state(Gate { routes, closed })
}

async fn forward(State(gate): State<Gate>, request: Request) -> Response {
    let routes = gate.routes.borrow().clone();
    match routes {
        Some(routes) => routes.oneshot(request).await.into_response(),
        None => Problem::new(StatusCode::SERVICE_UNAVAILABLE, gate.closed).into_response(),
    }
}
