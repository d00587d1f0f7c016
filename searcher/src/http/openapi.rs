//! The OpenAPI description of `/v1`, made of the handlers, and Swagger UI to browse it.

use axum::Router;
use axum::http::{HeaderValue, header};
use service::http::openapi::{EarlyAnswer, complete};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi, Url};

use super::routes;

const DESCRIPTION: &str = "/v1/openapi.json";
// Ingest's description of the operations, which the searcher forwards.
const OPERATIONS: &str = "/v1/ops/openapi.json";

// Swagger UI sets styles of single elements.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Errors that any route may answer before its handler is called.
const BEFORE_HANDLERS: [EarlyAnswer; 6] = [
    ("401", "a key is set, and the request has none or another one"),
    ("403", "the request came from another web site, or the feature is switched off"),
    ("408", "the request came too slowly"),
    ("413", "the request is too large"),
    ("421", "the request names a host that http.hosts does not"),
    ("503", "not answered in time, or this server lacks something it needs"),
];

/// The description of `/v1`, without the operations.
fn description() -> OpenApi {
    let mut all = routes::described().into_openapi();
    let about = "Searches the pictures of an S3 bucket by words, pictures, captions and keywords. \
                 Operators' requests below /v1/ops are forwarded to ingest: the key of ingest goes \
                 into the header `Operators-Key`, beside the key of this interface where it has \
                 one.";
    complete(&mut all, "bucketlens searcher", about, &BEFORE_HANDLERS);
    all
}

/// `/v1/openapi.json` and `/docs`. With `operations` Swagger UI offers ingest's description too.
pub(super) fn router(operations: bool) -> Router {
    let mut swagger = SwaggerUi::new("/docs").url(DESCRIPTION, description());
    if operations {
        swagger = swagger.config(Config::new([
            Url::with_primary("searcher", DESCRIPTION, true),
            Url::new("operations", OPERATIONS),
        ]));
    }
    let set =
        |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    Router::from(swagger)
        .layer(set(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(set(header::REFERRER_POLICY, "no-referrer"))
}
