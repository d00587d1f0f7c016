//! `POST /events`: S3 notifications, as MinIO, RustFS, Ceph and AWS send them. Hints only: each makes ingest look at one
//! key at once instead of at the next listing.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use pipeline::ObjectRef;
use pipeline::bucket::Bucket;
use pipeline::event::{ObjectEvent, parse_notification};
use pipeline::filter::KeyFilter;
use pipeline::job::Origin;
use secrecy::ExposeSecret;
use serde_json::json;
use subtle::ConstantTimeEq;

use crate::EventSettings;
use crate::index::Index;
use crate::published::Published;

// AWS sends at most 64 KiB; batches of others are larger.
const MAX_BODY_BYTES: usize = 1 << 20;

/// What an event needs to become a job.
pub(crate) struct Door {
    bucket: Bucket,
    index: Index,
    filter: Arc<KeyFilter>,
    published: Published,
    settings: EventSettings,
}

impl Door {
    pub(crate) fn new(
        bucket: Bucket,
        index: Index,
        filter: Arc<KeyFilter>,
        published: Published,
        settings: EventSettings,
    ) -> Self {
        Self { bucket, index, filter, published, settings }
    }

    fn opens_to(&self, headers: &HeaderMap) -> bool {
        let secret = self.settings.secret.expose_secret().as_bytes();
        let given = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
        // MinIO sends its token with or without the scheme, as it was written into its settings.
        let given = given.strip_prefix(b"Bearer ").unwrap_or(given);
        !secret.is_empty() && bool::from(given.ct_eq(secret))
    }

    /// Looks at the key the event names. Returns whether that led to a job or a removal.
    async fn act(&self, event: ObjectEvent) -> anyhow::Result<bool> {
        let (ObjectEvent::Created { bucket, key } | ObjectEvent::Removed { bucket, key }) = &event;
        if bucket != self.bucket.name() || !self.filter.matches(key) {
            return Ok(false);
        }
        // Tables before bucket: what is indexed in between is then not mistaken for former content. What the event says may
        // be old; what the store says now is acted on.
        let mut outdated = self.index.versions_of(bucket, key).await.context("looking up the object")?;
        let present = self.bucket.head(key).await?;
        anyhow::ensure!(present.is_some() || self.bucket.answers().await, "the bucket cannot be listed: its 404 is not believed");
        let id = present.as_ref().map(ObjectRef::image_id);
        outdated.retain(|version| Some(*version) != id);
        self.index.remove(&outdated).await.context("removing rows of former content")?;
        self.published.forget(&outdated);
        let created = match present {
            Some(object) if !self.index.has(&object).await? => self.published.publish(object, Origin::Event).await?,
            _ => false,
        };
        Ok(created || !outdated.is_empty())
    }
}

/// The routes of this door.
pub(crate) fn router(door: Door) -> Router {
    Router::new().route("/events", post(receive)).layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).with_state(Arc::new(door))
}

async fn receive(State(door): State<Arc<Door>>, headers: HeaderMap, body: Bytes) -> Response {
    if door.settings.secret.expose_secret().is_empty() {
        return answer(StatusCode::FORBIDDEN, "no events are taken: set events.secret to open this door");
    }
    if !door.opens_to(&headers) {
        return answer(StatusCode::UNAUTHORIZED, "send events.secret as 'Authorization: Bearer ...'");
    }
    let events = match parse_notification(&body, door.settings.source) {
        Ok(events) => events,
        Err(error) => return answer(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let (mut acted, total) = (0, events.len());
    for event in events {
        match door.act(event).await {
            Ok(done) => acted += usize::from(done),
            Err(error) => {
                tracing::warn!("an event could not be acted on, its sender may send it again: {error:#}");
                return answer(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "bucket, tables or broker cannot be reached, send it again later",
                );
            }
        }
    }
    metrics::counter!("bucketlens_ingest_events_total").increment(total as u64);
    axum::Json(json!({ "events": total, "acted_on": acted })).into_response()
}

fn answer(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}
