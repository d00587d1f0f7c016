//! The routes below `/v1`, their limits and the API key.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::any;
use axum::{Router, middleware};
use secrecy::SecretString;
use service::http::access;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::admission::{self, Admission};
use super::app::App;
use super::{captions, library, objects, pictures, search, status, uploads};
use crate::problem::{self, Problem};
use crate::settings::SearchSettings;

// Room in a body for the other fields and the envelope of a form.
const ENVELOPE_BYTES: usize = 64 << 10;

/// All routes below `/v1`.
pub(super) fn router(app: Arc<App>, settings: &SearchSettings, api_key: SecretString) -> Router {
    // Base64 takes a third more than the picture.
    let max_body_bytes = settings.max_image_bytes / 3 * 4 + ENVELOPE_BYTES;
    let admission = Admission::new(settings.max_concurrent, max_body_bytes, settings.timeout);
    described()
        .split_for_parts()
        .0
        .route("/v1/{*rest}", any(async || problem::no_such_resource()))
        .method_not_allowed_fallback(not_allowed)
        // Admission has limited the body already.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(admission, admission::admit))
        .layer(middleware::from_fn_with_state(Arc::new(api_key), access::check))
        .layer(CatchPanicLayer::custom(|_| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request hit a defect")
                .into_response()
        }))
        .with_state(app)
}

/// The routes, each with its OpenAPI description.
pub(super) fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(search::search_words, search::search_example))
        .routes(routes!(pictures::facts))
        .routes(routes!(pictures::thumbnail))
        .routes(routes!(pictures::original))
        .routes(routes!(captions::caption))
        .routes(routes!(library::library))
        .routes(routes!(library::months))
        .routes(routes!(uploads::uploads))
        .routes(routes!(objects::object))
        .routes(routes!(status::status))
}

async fn not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this resource cannot be used with this method")
}
