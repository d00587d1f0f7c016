//! The description of `/v1` in OpenAPI, made of the handlers, and pages to browse it.

use axum::Router;
use axum::http::{HeaderValue, header};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, Info, License, OpenApi, Ref, RefOr, Response, ResponseBuilder,
    SecurityRequirement,
};
use utoipa_swagger_ui::SwaggerUi;

use crate::api;

// The library's pages set styles of single elements.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PROBLEM: &str = "application/problem+json";

/// Whatever a handler does, these may be answered before it is asked.
const BEFORE_HANDLERS: [(&str, &str); 5] = [
    ("401", "a key is set, and none or another one was sent"),
    ("403", "the request came from another web site, or what it asks for is switched off"),
    ("408", "the request came too slowly"),
    ("413", "the request is too large"),
    ("503", "not answered in time, or something this server needs is away"),
];

/// The description.
pub(crate) fn description() -> OpenApi {
    let mut all = api::described().into_openapi();
    let mut info = Info::new("bucketlens searcher", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Searches the pictures of an S3 bucket by words, pictures, captions and keywords."
            .to_owned(),
    );
    info.license = Some(License::new("Apache-2.0"));
    all.info = info;
    let key = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    all.components.get_or_insert_with(Components::default).add_security_scheme("key", key);
    // Without a key where none is set.
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
            response.description = "as asked".to_owned();
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

/// `/v1/openapi.json`, and `/docs`.
pub(crate) fn pages() -> Router {
    let set =
        |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    Router::from(SwaggerUi::new("/docs").url("/v1/openapi.json", description()))
        .layer(set(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(set(header::REFERRER_POLICY, "no-referrer"))
}
