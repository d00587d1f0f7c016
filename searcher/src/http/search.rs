//! `/v1/search`.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::multipart::Multipart;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Query, Request, State};
use axum::http::{StatusCode, header};

use super::admission::WorkPlace;
use super::answer::SearchAnswer;
use super::app::App;
use super::query_string::query_string_problem;
use crate::problem::{Problem, ProblemBody};
use crate::query::{Example, SearchBody, SearchForm, SearchQuery, SearchWords};
use crate::ranking;

/// JSON of at most this size is read at once.
const SMALL_BYTES: usize = 64 << 10;

/// Searches by words. A hit must not contain those with a minus before them.
#[utoipa::path(get, path = "/v1/search", tag = "search", params(SearchWords), responses(
    (status = 200, body = SearchAnswer),
    (status = 400, body = ProblemBody, description = "a parameter is wrong: `field` names it"),
))]
pub(super) async fn search_words(
    State(app): State<Arc<App>>,
    words: Result<Query<SearchWords>, QueryRejection>,
) -> Result<axum::Json<SearchAnswer>, Problem> {
    let Query(words) = words.map_err(|rejection| query_string_problem(&rejection))?;
    answer(&app, &SearchQuery::from_words(words)?).await
}

/// Searches by words, pictures, indexed pictures and vectors, alone or together, with filters and
/// weights. A form has the fields of the JSON: `image` as files, `filter` and `weights` as JSON.
#[utoipa::path(post, path = "/v1/search", tag = "search",
    request_body(
        description = "at least one example",
        content((SearchBody = "application/json"), (SearchForm = "multipart/form-data")),
    ),
    responses(
        (status = 200, body = SearchAnswer),
        (status = 400, body = ProblemBody, description = "something is wrong: `field` names it"),
        (status = 404, body = ProblemBody, description = "the example is not indexed"),
        (status = 415, body = ProblemBody, description = "neither JSON nor a form"),
    ))]
pub(super) async fn search_example(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<axum::Json<SearchAnswer>, Problem> {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let place: Option<WorkPlace> = request.extensions().get().cloned();
    let query = if kind.starts_with("multipart/form-data") {
        let form = Multipart::from_request(request, &())
            .await
            .map_err(|error| Problem::field("body", error.body_text()))?;
        SearchQuery::from_form(form).await?
    } else if kind.starts_with("application/json") {
        let body = Bytes::from_request(request, &())
            .await
            .map_err(|error| Problem::new(error.status(), error.body_text()))?;
        read_json(body).await?
    } else {
        let detail = "send application/json or multipart/form-data";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    };
    let is_picture =
        |(example, _): &(Example, f32)| matches!(example, Example::Image(_) | Example::ImageUrl(_));
    let _turn = match query.examples.iter().any(is_picture) {
        true => Some(app.picture_turns.take(place.as_ref()).await?),
        false => None,
    };
    answer(&app, &query).await
}

/// Reads a body. A large one takes milliseconds, so it is read on a blocking thread.
async fn read_json(body: Bytes) -> Result<SearchQuery, Problem> {
    if body.len() <= SMALL_BYTES {
        return SearchQuery::from_json(&body);
    }
    let reading = tokio::task::spawn_blocking(move || SearchQuery::from_json(&body));
    reading
        .await
        .unwrap_or_else(|panic| Err(Problem::unavailable("the body could not be read", panic)))
}

async fn answer(app: &App, query: &SearchQuery) -> Result<axum::Json<SearchAnswer>, Problem> {
    let begun = Instant::now();
    // One model makes the whole answer.
    let model = app.engine.model();
    let answer = ranking::search(&app.engine, &model, query).await?;
    let took = begun.elapsed();
    metrics::histogram!("bucketlens_search_seconds").record(took.as_secs_f64());
    if answer.degraded.is_some() {
        metrics::counter!("bucketlens_searches_degraded_total").increment(1);
    }
    Ok(axum::Json(SearchAnswer::new(answer, &model, query.fusion, took)))
}
