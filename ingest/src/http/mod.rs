//! The HTTP interface of the active ingest: the webhook for events, and `/v1/ops/…` for operators.
//! Handlers parse, call [`crate::operate`] and answer; they decide nothing.

mod answer;
mod api;
mod dead_letters;
mod models;
mod openapi;
mod operations;
mod stages;
mod sweep;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::any;
use axum::{Router, middleware};
use service::http::access;
use service::http::hosts::{self, AllowedHosts};
use service::http::problem::Problem;
use service::http::same_origin;

use self::api::OperatorApi;
use crate::active::ActiveHandle;
use crate::watch::events;

const MAX_BODY_BYTES: usize = 64 << 10;

/// All routes of an active ingest.
pub(crate) fn router(handle: ActiveHandle) -> Router {
    events::router(Arc::clone(&handle.door), &handle.parts.settings).merge(operators(handle))
}

/// The routes below `/v1/ops`. If a key is set, requests must carry it. Stores send events to any
/// name of this process, so only these routes check the host.
fn operators(handle: ActiveHandle) -> Router {
    let settings = &handle.parts.settings;
    let key = Arc::new(settings.ops.api_key.clone());
    let allowed = AllowedHosts::new(&settings.http.hosts, &[&settings.ops.address]);
    openapi::described()
        .split_for_parts()
        .0
        .route("/v1/ops/{*rest}", any(unknown))
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(key, access::check))
        .layer(middleware::from_fn(same_origin::check))
        .layer(middleware::from_fn_with_state(allowed, hosts::check))
        .with_state(Arc::new(OperatorApi::new(handle)))
}

async fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such resource")
}

async fn not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this resource cannot be used with this method")
}
