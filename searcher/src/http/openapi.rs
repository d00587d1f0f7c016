//! The OpenAPI description of `/v1`, made of the handlers, and Swagger UI to browse it.

use axum::Router;
use axum::http::{HeaderValue, header};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, Info, License, OpenApi, Ref, RefOr, Response, ResponseBuilder,
    SecurityRequirement,
};
use utoipa_swagger_ui::{Config, SwaggerUi, Url};

use super::routes;

const DESCRIPTION: &str = "/v1/openapi.json";
// Ingest's description of the operations, which the searcher forwards.
const OPERATIONS: &str = "/v1/ops/openapi.json";

// Swagger UI sets styles of single elements.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

const PROBLEM: &str = "application/problem+json";

/// Errors that any route may answer before its handler is called.
const BEFORE_HANDLERS: [(&str, &str); 5] = [
    ("401", "a key is set, and the request has none or another one"),
    ("403", "the request came from another web site, or the feature is switched off"),
    ("408", "the request came too slowly"),
    ("413", "the request is too large"),
    ("503", "not answered in time, or this server lacks something it needs"),
];

/// The description of `/v1`, without the operations.
fn description() -> OpenApi {
    let mut all = routes::described().into_openapi();
    let mut info = Info::new("bucketlens searcher", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Searches the pictures of an S3 bucket by words, pictures, captions and keywords."
            .to_owned(),
    );
    info.license = Some(License::new("Apache-2.0"));
    all.info = info;
    let key = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    all.components.get_or_insert_with(Components::default).add_security_scheme("key", key);
    // Either without a key, if none is set, or with one.
    all.security = Some(vec![
        SecurityRequirement::default(),
        SecurityRequirement::new("key", Vec::<String>::new()),
    ]);
    for path in all.paths.paths.values_mut() {
        for operation in [&mut path.get, &mut path.post].into_iter().flatten() {
            complete(operation);
        }
    }
    all
}

fn complete(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    for (status, response) in responses.iter_mut() {
        let RefOr::T(response) = response else { continue };
        if response.description.is_empty() {
            response.description = "success".to_owned();
        }
        if status.starts_with(['4', '5'])
            && let Some(body) = response.content.shift_remove("application/json")
        {
            response.content.insert(PROBLEM.to_owned(), body);
        }
    }
    for (status, reason) in BEFORE_HANDLERS {
        responses.entry(status.to_owned()).or_insert_with(|| problem(reason).into());
    }
}

fn problem(reason: &str) -> Response {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemBody"))).build();
    ResponseBuilder::new().description(reason).content(PROBLEM, body).build()
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
