//! What the OpenAPI descriptions of all HTTP interfaces have in common.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, Info, License, OpenApi, Ref, RefOr, Response, ResponseBuilder,
    SecurityRequirement,
};

const PROBLEM: &str = "application/problem+json";

/// An answer that any route may give before its handler is called: status and description.
pub type EarlyAnswer = (&'static str, &'static str);

/// Completes a description that was made of the handlers: the name of the interface, the API key,
/// the answers of every route, and the content type of problems. It must hold the schema
/// `ProblemBody`.
pub fn complete(all: &mut OpenApi, title: &str, about: &str, early: &[EarlyAnswer]) {
    let mut info = Info::new(title, env!("CARGO_PKG_VERSION"));
    info.description = Some(about.to_owned());
    info.license = Some(License::new("Apache-2.0"));
    all.info = info;
    let key = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    all.components.get_or_insert_with(Components::default).add_security_scheme("key", key);
    // No key is needed where none is set.
    all.security = Some(vec![
        SecurityRequirement::default(),
        SecurityRequirement::new("key", Vec::<String>::new()),
    ]);
    for path in all.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.post, &mut path.put, &mut path.delete];
        operations.into_iter().flatten().for_each(|operation| complete_route(operation, early));
    }
}

fn complete_route(operation: &mut Operation, early: &[EarlyAnswer]) {
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
    for (status, reason) in early {
        responses.entry((*status).to_owned()).or_insert_with(|| problem(reason).into());
    }
}

fn problem(reason: &str) -> Response {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemBody"))).build();
    ResponseBuilder::new().description(reason).content(PROBLEM, body).build()
}
