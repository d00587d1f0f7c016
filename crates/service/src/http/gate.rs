//! A gate in front of routes that come and go, for a process that cannot answer at all times. While
//! there are no routes, requests get 503 and the reason.

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

/// Passes every request on to the routes that `routes` holds at the time. While it holds none, the
/// answer is 503 with `closed` as its detail.
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

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn requests_are_refused_until_there_are_routes_and_again_when_they_go() {
        let (open, routes) = watch::channel(None);
        let gate = router(routes, "this instance only waits");
        let status = async || {
            let request = Request::new(Body::empty());
            gate.clone().oneshot(request).await.unwrap().status()
        };
        assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE);
        open.send_replace(Some(Router::new().fallback(async || "here")));
        assert_eq!(status().await, StatusCode::OK);
        open.send_replace(None);
        assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE);
    }
}
