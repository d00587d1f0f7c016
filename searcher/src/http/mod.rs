//! The HTTP interface: `/v1`, `/docs` and the web page.

mod admission;
mod answer;
mod app;
mod caption_rate;
mod caption_requests;
mod captions;
mod library;
mod library_range;
mod library_view;
mod objects;
mod openapi;
mod operations;
mod picture_turns;
mod pictures;
mod query_string;
mod routes;
mod search;
mod status;
mod thumbnails;
mod upload_key;
mod uploads;
mod web_page;

use std::sync::Arc;

use axum::{Router, middleware};
use service::http::hosts::{self, AllowedHosts};
use service::http::same_origin;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

pub(crate) use self::app::App;
pub(crate) use self::caption_requests::CaptionRequests;
pub(crate) use self::picture_turns::PictureTurns;
pub(crate) use self::thumbnails::Thumbnails;
use crate::problem;
use crate::settings::Settings;

/// All routes but those of health and metrics.
///
/// # Errors
/// The HTTP client for ingest cannot be made.
pub(crate) fn router(app: Arc<App>, settings: &Settings) -> anyhow::Result<Router> {
    let key = &settings.access.api_key;
    let all = routes::router(app, &settings.search, key.clone())
        .merge(operations::router(&settings.operations.url, key.clone())?)
        .merge(openapi::router(!settings.operations.url.is_empty()))
        .merge(web_page::router(&settings.bucket, settings.upload.enabled))
        .fallback(async || problem::no_such_resource());
    let compressed = CompressionLayer::new().quality(CompressionLevel::Fastest);
    let allowed = AllowedHosts::new(&settings.http.hosts, &[]);
    Ok(all
        .layer(middleware::from_fn(same_origin::check))
        .layer(middleware::from_fn_with_state(allowed, hosts::check))
        .layer(compressed))
}
