//! Listings: byte order, pages, prefixes, delimiters.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use server::{BUCKET, TestServer};

use crate::server;

/// Lists page by page, up to `max_keys` entries each; objects and common prefixes in the order they
/// came.
async fn pages(
    store: &TestServer,
    prefix: &str,
    delimiter: Option<&str>,
    max_keys: i32,
) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut token = None;
    loop {
        let request =
            store.client.list_objects_v2().bucket(BUCKET).prefix(prefix).max_keys(max_keys);
        let page = request
            .set_delimiter(delimiter.map(str::to_owned))
            .set_continuation_token(token)
            .send()
            .await
            .unwrap();
        pages.push(entries(&page));
        assert_eq!(page.is_truncated(), Some(page.next_continuation_token().is_some()));
        token = page.next_continuation_token;
        if token.is_none() {
            return pages;
        }
    }
}

fn entries(page: &ListObjectsV2Output) -> Vec<String> {
    let objects = page.contents().iter().filter_map(|object| object.key());
    let groups = page.common_prefixes().iter().filter_map(|group| group.prefix());
    let mut entries: Vec<String> = objects.chain(groups).map(str::to_owned).collect();
    assert_eq!(page.key_count(), Some(entries.len() as i32));
    entries.sort_unstable();
    entries
}

async fn filled(keys: &[&str]) -> TestServer {
    let store = server::start().await;
    for key in keys {
        store.put(key, *key).await;
    }
    store
}

#[tokio::test]
async fn pages_are_in_byte_order_and_complete() {
    let store = server::start().await;
    let mut keys: Vec<String> =
        (0..250).map(|at| format!("photos/{}.jpg", (at * 7919) % 1000)).collect();
    keys.extend(
        ["photos/Ä.jpg", "photos/Z.jpg", "photos/a/1.jpg", "photos/a.jpg", "photos/a-b.jpg"]
            .map(String::from),
    );
    for key in &keys {
        store.put(key, "x").await;
    }
    keys.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    for max_keys in [7, 100, 1000] {
        let listed = pages(&store, "", None, max_keys).await;
        assert_eq!(listed.iter().map(Vec::len).max(), Some(keys.len().min(max_keys as usize)));
        assert_eq!(listed.concat(), keys);
    }
}

#[tokio::test]
async fn a_page_holds_at_most_a_thousand() {
    let store = server::start().await;
    for at in 0..1001 {
        store.put(&format!("{at:05}"), "").await;
    }
    let page = store.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!((page.key_count(), page.is_truncated()), (Some(1000), Some(true)));
}

#[tokio::test]
async fn a_delimiter_folds_keys_once_across_pages() {
    let store = filled(&["a/1", "a/2", "a/3", "b", "c/1", "c/2", "d/x/1", "e"]).await;
    for max_keys in [1, 2, 3, 10] {
        assert_eq!(
            pages(&store, "", Some("/"), max_keys).await.concat(),
            ["a/", "b", "c/", "d/", "e"]
        );
        assert_eq!(pages(&store, "a/", Some("/"), max_keys).await.concat(), ["a/1", "a/2", "a/3"]);
        assert_eq!(pages(&store, "d/", Some("/"), max_keys).await.concat(), ["d/x/"]);
    }
}

#[tokio::test]
async fn a_listing_starts_after_a_key_and_stays_in_its_prefix() {
    let store = filled(&["a", "b/1", "b/2", "b/3", "c"]).await;
    let list = || store.client.list_objects_v2().bucket(BUCKET);
    assert_eq!(entries(&list().start_after("b/1").send().await.unwrap()), ["b/2", "b/3", "c"]);
    assert_eq!(entries(&list().prefix("b/").start_after("b/2").send().await.unwrap()), ["b/3"]);
    assert_eq!(
        entries(&list().prefix("b/").start_after("a").send().await.unwrap()),
        ["b/1", "b/2", "b/3"]
    );
    assert!(entries(&list().prefix("b/").start_after("c").send().await.unwrap()).is_empty());
    assert!(entries(&list().prefix("nothing").send().await.unwrap()).is_empty());
    assert_eq!(server::status(list().continuation_token("made up").send().await), 400);
}

#[tokio::test]
async fn keys_can_be_asked_for_in_url_form() {
    let store = filled(&["a b/图+1.jpg"]).await;
    let request = store.client.list_objects_v2().bucket(BUCKET).encoding_type("url".into());
    assert_eq!(entries(&request.send().await.unwrap()), ["a%20b/%E5%9B%BE%2B1.jpg"]);
}
