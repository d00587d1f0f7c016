//! Routes under `/v1`: who may ask, how much at once, and the search itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::multipart::Multipart;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Query as QueryString, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::any;
use pipeline::bucket::Bucket;
use secrecy::SecretString;
use service::http::access;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::SearchAnswer;
use crate::caption_now::{self, Desk};
use crate::engine::Engine;
use crate::follow::Following;
use crate::intake::{self, Intake};
use crate::problem::{Problem, ProblemBody};
use crate::query::{Body, Form, Query, Words};
use crate::ranking;
use crate::{SearchSettings, UploadSettings, library, pictures, status, upload};
use pipeline::depths::QueueDepths;
use table::timeline::Timelines;

// Room for the other fields and the envelope of a form, and for base64's third.
const ENVELOPE_BYTES: usize = 64 << 10;

/// What the handlers work with.
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) bucket: Bucket,
    pub(crate) queues: QueueDepths,
    pub(crate) link_lifetime: Duration,
    pub(crate) following: Following,
    pub(crate) timelines: Timelines,
    pub(crate) upload: UploadSettings,
    /// Whether operators' requests are forwarded.
    pub(crate) operations: bool,
    /// `None` where no captions are searched.
    pub(crate) captioning: Option<Desk>,
}

/// All routes under `/v1`.
pub(crate) fn router(app: Arc<App>, settings: &SearchSettings, api_key: SecretString) -> Router {
    let max_body_bytes = settings.max_image_bytes / 3 * 4 + ENVELOPE_BYTES;
    let intake = Intake::new(settings.max_concurrent, max_body_bytes, settings.timeout);
    described()
        .split_for_parts()
        .0
        .route("/v1/{*rest}", any(unknown))
        .method_not_allowed_fallback(not_allowed)
        // What came in is within its limit already.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(intake, intake::admit))
        .layer(middleware::from_fn_with_state(Arc::new(api_key), access::check))
        .layer(CatchPanicLayer::custom(|_| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request hit a defect")
                .into_response()
        }))
        .with_state(app)
}

/// The routes, each with its description.
pub(crate) fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(search_words, search_example))
        .routes(routes!(pictures::facts))
        .routes(routes!(pictures::thumbnail))
        .routes(routes!(pictures::original))
        .routes(routes!(caption_now::caption))
        .routes(routes!(library::library))
        .routes(routes!(library::months))
        .routes(routes!(upload::uploads))
        .routes(routes!(upload::object))
        .routes(routes!(status::status))
}

/// The answer to any address that leads nowhere.
pub(crate) async fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such resource")
}

async fn not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this resource cannot be used with this method")
}

/// Searches by words; those with a minus before them must not occur.
#[utoipa::path(get, path = "/v1/search", tag = "search", params(Words), responses(
    (status = 200, body = SearchAnswer),
    (status = 400, body = ProblemBody, description = "a parameter is wrong: `field` names it"),
))]
async fn search_words(
    State(app): State<Arc<App>>,
    words: Result<QueryString<Words>, QueryRejection>,
) -> Result<axum::Json<SearchAnswer>, Problem> {
    let QueryString(words) = words.map_err(|rejection| query_string_problem(&rejection))?;
    answer(&app, Query::from_words(words)?).await
}

/// Searches by words, pictures, indexed pictures and vectors, alone or together, with filters and
/// weights. A form has the same fields: `image` as files, `filter` and `weights` as JSON.
#[utoipa::path(post, path = "/v1/search", tag = "search",
    request_body(description = "at least one example", content((Body = "application/json"), (Form = "multipart/form-data"))),
    responses(
        (status = 200, body = SearchAnswer),
        (status = 400, body = ProblemBody, description = "something is wrong: `field` names it"),
        (status = 404, body = ProblemBody, description = "the example is not indexed"),
        (status = 415, body = ProblemBody, description = "neither JSON nor a form"),
    ))]
async fn search_example(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<axum::Json<SearchAnswer>, Problem> {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let query = if kind.starts_with("multipart/form-data") {
        let form = Multipart::from_request(request, &())
            .await
            .map_err(|error| Problem::field("body", error.body_text()))?;
        Query::from_form(form).await?
    } else if kind.starts_with("application/json") {
        let body = Bytes::from_request(request, &())
            .await
            .map_err(|error| Problem::new(error.status(), error.body_text()))?;
        app.engine.in_turn(move || Query::from_json(&body)).await?
    } else {
        let detail = "send application/json or multipart/form-data";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    };
    answer(&app, query).await
}

async fn answer(app: &App, query: Query) -> Result<axum::Json<SearchAnswer>, Problem> {
    let begun = Instant::now();
    // One model from here to the last row.
    let served = app.engine.served();
    let fusion = query.fusion;
    let answer = ranking::search(&app.engine, &served, query).await?;
    let took = begun.elapsed();
    metrics::histogram!("bucketlens_search_seconds").record(took.as_secs_f64());
    if answer.degraded.is_some() {
        metrics::counter!("bucketlens_searches_degraded_total").increment(1);
    }
    Ok(axum::Json(SearchAnswer::of(answer, &served, fusion, took)))
}

// The query string reader says which field in its text only: "top_k: invalid digit found in
// string".
pub(crate) fn query_string_problem(rejection: &QueryRejection) -> Problem {
    let text = rejection.body_text();
    let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
    match text.split_once(": ") {
        Some((field, detail)) if !field.contains(' ') => Problem::field(field, detail),
        _ => {
            let named = text.split('`').nth(1).unwrap_or("q");
            Problem::field(named, text)
        }
    }
}
