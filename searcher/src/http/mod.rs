//! The HTTP interface: `/v1`, `/docs` and the web page.

mod admission;
mod answer;
mod app;
mod caption_requests;
mod captions;
mod library;
mod library_range;
mod objects;
mod openapi;
mod operations;
mod pictures;
mod query_string;
mod routes;
mod search;
mod status;
mod upload_key;
mod uploads;
mod web_page;

use std::sync::Arc;

use axum::{Router, middleware};
use service::http::same_origin;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

pub(crate) use self::app::App;
pub(crate) use self::caption_requests::CaptionRequests;
use crate::problem;
use crate::settings::Settings;

/// All routes but those of health and metrics.
///
/// # Errors
/// The HTTP client for ingest cannot be made.
pub(crate) fn router(app: Arc<App>, settings: &Settings) -> anyhow::Result<Router> {
    let all = routes::router(app, &settings.search, settings.access.api_key.clone())
        .merge(operations::router(&settings.operations.url)?)
        .merge(openapi::router(!settings.operations.url.is_empty()))
        .merge(web_page::router(&settings.bucket, settings.upload.enabled))
        .fallback(async || problem::no_such_resource());
    let compressed = CompressionLayer::new().quality(CompressionLevel::Fastest);
    Ok(all.layer(middleware::from_fn(same_origin::check)).layer(compressed))
}
