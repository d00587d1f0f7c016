//! The routes below `/v1`, their limits and the API key.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::any;
use axum::{Router, middleware};
use secrecy::SecretString;
use service::http::access;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::admission::{self, Admission};
use super::app::App;
use super::{captions, library, objects, pictures, search, status, uploads};
use crate::problem::{self, Problem};
use crate::settings::SearchSettings;

/// Thumbnails and links that are worked on at once. They have an intake of their own, so that the
/// hundred thumbnails of a page and searches do not wait for each other.
const FILES_AT_ONCE: usize = 64;
// Room in a body for the other fields and the envelope of a form.
const ENVELOPE_BYTES: usize = 64 << 10;

/// All routes below `/v1`.
pub(super) fn router(app: Arc<App>, settings: &SearchSettings, api_key: SecretString) -> Router {
    // Base64 takes a third more than the picture.
    let max_body_bytes = settings.max_image_bytes / 3 * 4 + ENVELOPE_BYTES;
    let searching = Admission::new(settings.max_concurrent, max_body_bytes, settings.timeout);
    let showing = Admission::new(FILES_AT_ONCE, ENVELOPE_BYTES, settings.timeout);
    let others = searches().route("/v1/{*rest}", any(async || problem::no_such_resource()));
    admitted(others, searching)
        .merge(admitted(files(), showing))
        // Pictures and captions are private. Only thumbnails say how long they may be kept.
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(middleware::from_fn_with_state(Arc::new(api_key), access::check))
        .layer(CatchPanicLayer::custom(|_| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request hit a defect")
                .into_response()
        }))
        .with_state(app)
}

fn admitted(routes: OpenApiRouter<Arc<App>>, admission: Admission) -> Router<Arc<App>> {
    routes
        .split_for_parts()
        .0
        .method_not_allowed_fallback(not_allowed)
        // Admission has limited the body already.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(admission, admission::admit))
}

/// The routes, each with its OpenAPI description.
pub(super) fn described() -> OpenApiRouter<Arc<App>> {
    searches().merge(files())
}

/// Small files and links to large ones.
fn files() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(pictures::thumbnail)).routes(routes!(pictures::original))
}

fn searches() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(search::search_words, search::search_example))
        .routes(routes!(pictures::facts))
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
