//! Routes under `/v1`: who may ask, how much at once, and the search itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::multipart::Multipart;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Query as QueryString, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use pipeline::access;
use pipeline::bucket::Bucket;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_http::catch_panic::CatchPanicLayer;

use crate::caption_now::{self, Desk};
use crate::engine::Engine;
use crate::follow::Following;
use crate::problem::Problem;
use crate::query::{Query, Words};
use crate::ranking::{self, Hit};
use crate::{SearchSettings, pictures, status};
use pipeline::depths::Queues;

// Room for the other fields and the envelope of a form, and for base64's third.
const ENVELOPE_BYTES: usize = 64 << 10;

/// What the handlers work with.
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) bucket: Bucket,
    pub(crate) queues: Queues,
    pub(crate) link_lifetime: Duration,
    pub(crate) following: Following,
    /// `None` where no captions are searched.
    pub(crate) captioning: Option<Desk>,
}

/// All routes under `/v1`.
pub(crate) fn router(app: Arc<App>, settings: &SearchSettings, api_key: SecretString) -> Router {
    let timeout = settings.timeout;
    Router::new()
        .route("/v1/search", get(search_words).post(search_example))
        .route("/v1/images/{id}", get(pictures::facts))
        .route("/v1/images/{id}/thumbnail", get(pictures::thumbnail))
        .route("/v1/images/{id}/original", get(pictures::original))
        .route("/v1/images/{id}/caption", post(caption_now::caption))
        .route("/v1/status", get(status::status))
        .route("/v1/{*rest}", any(unknown))
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(settings.max_image_bytes / 3 * 4 + ENVELOPE_BYTES))
        .layer(GlobalConcurrencyLimitLayer::new(settings.max_concurrent))
        .layer(middleware::from_fn(move |request, next| within(timeout, request, next)))
        .layer(middleware::from_fn_with_state(Arc::new(api_key), access::check))
        .layer(CatchPanicLayer::custom(|_| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request hit a defect").into_response()
        }))
        .with_state(app)
}

async fn within(limit: Duration, request: Request, next: Next) -> Response {
    let late = |_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("not answered within {limit:?}; try again later")).into_response()
    };
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(late)
}

/// The answer to any address that leads nowhere.
pub(crate) async fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such resource")
}

async fn not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this resource cannot be used with this method")
}

async fn search_words(
    State(app): State<Arc<App>>,
    words: Result<QueryString<Words>, QueryRejection>,
) -> Result<axum::Json<Value>, Problem> {
    let QueryString(words) = words.map_err(|rejection| query_string_problem(&rejection))?;
    answer(&app, Query::from_words(words)?).await
}

async fn search_example(State(app): State<Arc<App>>, request: Request) -> Result<axum::Json<Value>, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let query = if kind.starts_with("multipart/form-data") {
        let form = Multipart::from_request(request, &()).await.map_err(|error| Problem::field("body", error.body_text()))?;
        Query::from_form(form).await?
    } else if kind.starts_with("application/json") {
        let body = Bytes::from_request(request, &()).await.map_err(|error| Problem::new(error.status(), error.body_text()))?;
        app.engine.in_turn(move || Query::from_json(&body)).await?
    } else {
        let detail = "send application/json or multipart/form-data";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    };
    answer(&app, query).await
}

async fn answer(app: &App, query: Query) -> Result<axum::Json<Value>, Problem> {
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
    Ok(axum::Json(json!({
        "hits": answer.hits.iter().map(hit).collect::<Vec<_>>(),
        "next_cursor": answer.next_cursor,
        "dropped_below_cutoff": answer.dropped,
        "degraded": answer.degraded,
        "model": served.encoders.space.model,
        "space": served.encoders.space.space,
        "table_version": answer.table_version,
        "captions_version": answer.captions_version,
        "weights": answer.weights,
        "fusion": fusion,
        "exact": answer.exact,
        "took_ms": took.as_millis() as u64,
    })))
}

fn hit(Hit { facts, score, says, matched, said, duplicates }: &Hit) -> Value {
    let id = &facts.image_id;
    let signals: Map<String, Value> = says.iter().map(|(signal, say)| (signal.name().to_owned(), json!(say))).collect();
    let mut hit = json!({
        "image_id": id,
        "bucket": facts.bucket,
        "key": facts.key,
        "etag": facts.etag,
        "score": score,
        "signals": signals,
        "matched": matched,
        "width": facts.width,
        "height": facts.height,
        "taken_at": facts.taken_at,
        "content_hash": facts.content_hash,
        "thumbnail_url": format!("/v1/images/{id}/thumbnail"),
        "url": format!("/v1/images/{id}/original"),
    });
    if let Some(said) = said {
        pictures::add_said(&mut hit, said);
    }
    if let Some(duplicates) = duplicates {
        hit["duplicates"] = json!(duplicates.named);
        hit["duplicates_total"] = duplicates.total.into();
    }
    hit
}

// The query string reader says which field in its text only: "top_k: invalid digit found in string".
fn query_string_problem(rejection: &QueryRejection) -> Problem {
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
