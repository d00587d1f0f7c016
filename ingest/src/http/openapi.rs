//! The description of `/v1/ops` in OpenAPI, made of the handlers.

use std::sync::Arc;

use axum::Json;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, Info, License, OpenApi, Ref, RefOr, Response, ResponseBuilder,
    SecurityRequirement,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::OperatorApi;
use super::{dead_letters, models, operations, stages, sweep};

const PROBLEM: &str = "application/problem+json";

/// Answers that may come before a handler is asked.
const BEFORE_HANDLERS: [(&str, &str); 4] = [
    ("401", "a key is set, and the request carries none or another one"),
    ("403", "the request came from another web site"),
    ("413", "the request is too large"),
    ("503", "this ingest is not the active one, or something that it needs is away"),
];

/// The routes, each with its description.
pub(super) fn described() -> OpenApiRouter<Arc<OperatorApi>> {
    OpenApiRouter::new()
        .routes(routes!(openapi))
        .routes(routes!(stages::health))
        .routes(routes!(stages::progress))
        .routes(routes!(stages::switch))
        .routes(routes!(sweep::sweep))
        .routes(routes!(sweep::maintain))
        .routes(routes!(operations::list))
        .routes(routes!(operations::show, operations::cancel))
        .routes(routes!(models::list))
        .routes(routes!(models::activate))
        .routes(routes!(models::remove))
        .routes(routes!(models::keep))
        .routes(routes!(models::overlap))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::groups))
        .routes(routes!(dead_letters::replay))
        .routes(routes!(dead_letters::discard))
        .routes(routes!(dead_letters::show))
        .routes(routes!(dead_letters::link))
}

/// This description.
#[utoipa::path(get, path = "/v1/ops/openapi.json", tag = "operations", responses(
    (status = 200, body = serde_json::Value),
))]
async fn openapi() -> Json<OpenApi> {
    Json(description())
}

fn description() -> OpenApi {
    let mut all = described().into_openapi();
    let mut info = Info::new("bucketlens ingest", env!("CARGO_PKG_VERSION"));
    info.description =
        Some("Operates bucketlens: stages, sweeps, models, dead letters.".to_owned());
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
        for operation in [&mut path.get, &mut path.post, &mut path.delete].into_iter().flatten() {
            complete(operation);
        }
    }
    all
}

/// Adds what every route answers, and the content type of problems.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    /// The names of schemas that a description refers to.
    fn referred<'a>(value: &'a Value, names: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(fields) => {
                if let Some(name) = fields.get("$ref").and_then(Value::as_str) {
                    names.insert(name.trim_start_matches("#/components/schemas/"));
                }
                fields.values().for_each(|value| referred(value, names));
            }
            Value::Array(values) => values.iter().for_each(|value| referred(value, names)),
            _ => {}
        }
    }

    #[test]
    fn every_schema_that_is_referred_to_is_described() {
        let description = serde_json::to_value(description()).unwrap();
        let schemas = description["components"]["schemas"].as_object().unwrap();
        let mut names = BTreeSet::new();
        referred(&description, &mut names);
        assert!(names.contains("DeadLetterSchema"), "{names:?}");
        for name in names {
            assert!(schemas.contains_key(name), "the schema {name} is missing");
        }
        let of_request = &schemas["SweepRequest"]["properties"];
        assert_eq!(of_request["dry_run"]["type"], json!("boolean"), "{of_request}");
    }
}
