//! The description of `/v1/ops` in OpenAPI, made of the handlers.

use std::sync::Arc;

use axum::Json;
use service::http::openapi::{EarlyAnswer, complete};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::OperatorApi;
use super::{dead_letters, models, operations, stages, sweep};

/// Answers that may come before a handler is asked.
const BEFORE_HANDLERS: [EarlyAnswer; 5] = [
    ("401", "a key is set, and the request carries none or another one"),
    ("403", "the request came from another web site"),
    ("413", "the request is too large"),
    ("421", "the request names a host that http.hosts does not"),
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
    let about = "Operates bucketlens: stages, sweeps, models, dead letters.";
    complete(&mut all, "bucketlens ingest", about, &BEFORE_HANDLERS);
    all
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
