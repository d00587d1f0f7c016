//! Thumbnails in memory: a page of the library asks for a hundred of them at once, and so does
//! everybody who looks at it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use moka::future::Cache;

use crate::problem::Problem;

/// How long a thumbnail is shown after its picture was removed, here and again in a browser.
const KEPT: Duration = Duration::from_secs(300);
/// Of browsers only: what a key protects must not lie in shared caches.
const CACHE_CONTROL: &str = "private, max-age=300";
/// Bytes that the cache itself takes for an entry, about.
const ENTRY_BYTES: usize = 200;

/// Thumbnails that were read lately, by image id.
pub(crate) struct Thumbnails(Cache<String, Bytes>);

impl Thumbnails {
    /// At most this many bytes; 0 keeps none.
    pub(crate) fn new(max_bytes: u64) -> Self {
        let bytes = |_: &String, thumbnail: &Bytes| {
            u32::try_from(thumbnail.len() + ENTRY_BYTES).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().weigher(bytes).max_capacity(max_bytes).time_to_live(KEPT).build())
    }

    /// The thumbnail in memory, or what `read` gives, which everybody awaits who asks for it
    /// meanwhile. An error is not kept.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) async fn get(
        &self,
        id: &str,
        read: impl Future<Output = Result<Bytes, Problem>>,
    ) -> Result<Bytes, Problem> {
        let found = self.0.try_get_with_by_ref(id, read).await;
        found.map_err(|error: Arc<Problem>| (*error).clone())
    }
}

/// The answer: the thumbnail, or 304 if the browser has it. An id names one content for ever, so it
/// is the ETag.
pub(super) fn answer(id: &str, thumbnail: Bytes, request: &HeaderMap) -> Response {
    let etag = format!("\"{id}\"");
    let known = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|sent| sent.to_str().ok());
    let is_known = known
        .flat_map(|sent| sent.split(','))
        .any(|one| one.trim() == "*" || one.trim().trim_start_matches("W/") == etag);
    let headers = [(header::CACHE_CONTROL, CACHE_CONTROL.to_owned()), (header::ETAG, etag)];
    match is_known {
        true => (StatusCode::NOT_MODIFIED, headers).into_response(),
        false => (headers, [(header::CONTENT_TYPE, "image/jpeg")], thumbnail).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn what_many_ask_for_at_once_is_read_once_and_kept() {
        let (thumbnails, reads) = (Thumbnails::new(1 << 20), AtomicUsize::new(0));
        let asks = (0..10).map(|_| {
            thumbnails.get("id", async {
                reads.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok(Bytes::from_static(b"jpeg"))
            })
        });
        join_all(asks).await.into_iter().for_each(|answer| assert_eq!(answer.unwrap(), "jpeg"));
        assert_eq!(reads.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn an_error_is_not_kept_and_the_memory_is_bounded() {
        let thumbnails = Thumbnails::new(10_000);
        let away = async { Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "away")) };
        assert_eq!(thumbnails.get("id", away).await.unwrap_err().detail(), "away");
        for number in 0..100 {
            let read = async { Ok(Bytes::from(vec![0; 1000])) };
            thumbnails.get(&number.to_string(), read).await.unwrap();
        }
        thumbnails.0.run_pending_tasks().await;
        assert!(thumbnails.0.weighted_size() <= 10_000);
    }

    #[test]
    fn a_browser_that_has_it_is_told_so() {
        let status = |sent: &str| {
            let headers = [(header::IF_NONE_MATCH, sent.parse().unwrap())].into_iter().collect();
            answer("ab", Bytes::from_static(b"jpeg"), &headers).status()
        };
        for known in ["\"ab\"", "W/\"ab\"", "\"x\", \"ab\"", "*"] {
            assert_eq!(status(known), StatusCode::NOT_MODIFIED, "{known}");
        }
        for other in ["", "ab", "\"abc\""] {
            assert_eq!(status(other), StatusCode::OK, "{other}");
        }
        let fresh = answer("ab", Bytes::from_static(b"jpeg"), &HeaderMap::new());
        assert_eq!(fresh.headers()["cache-control"], "private, max-age=300");
    }
}
