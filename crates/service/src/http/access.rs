//! The API key of an HTTP interface, sent as a bearer token.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::problem::Problem;

/// Middleware: lets a request through if it carries the key, or if the key is empty. Others get
/// 401.
pub async fn check(State(key): State<Arc<SecretString>>, request: Request, next: Next) -> Response {
    let key = key.expose_secret().as_bytes();
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .map(|value| value.as_bytes())
        .unwrap_or_default();
    let given = given.strip_prefix(b"Bearer ").unwrap_or_default();
    if key.is_empty() || bool::from(given.ct_eq(key)) {
        return next.run(request).await;
    }
    let problem =
        Problem::new(StatusCode::UNAUTHORIZED, "send the API key as 'Authorization: Bearer ...'");
    ([(header::WWW_AUTHENTICATE, "Bearer")], problem).into_response()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use tower::ServiceExt;

    use super::*;

    async fn answer(key: &str, sent: Option<&str>) -> StatusCode {
        let key = Arc::new(SecretString::from(key));
        let router = Router::new().fallback(async || "here").layer(from_fn_with_state(key, check));
        let mut request = Request::builder();
        if let Some(sent) = sent {
            request = request.header(header::AUTHORIZATION, sent);
        }
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    }

    #[tokio::test]
    async fn only_the_key_opens_an_interface_that_has_one() {
        for sent in
            [None, Some("secret"), Some("Bearer"), Some("Bearer secre"), Some("Basic secret")]
        {
            assert_eq!(answer("secret", sent).await, StatusCode::UNAUTHORIZED, "{sent:?}");
        }
        assert_eq!(answer("secret", Some("Bearer secret")).await, StatusCode::OK);
        assert_eq!(answer("", None).await, StatusCode::OK, "without a key it is open");
    }
}
