//! The store tells how many requests it got.

use std::collections::BTreeMap;

use server::{BUCKET, TestServer};

use crate::server;

async fn counts(store: &TestServer) -> BTreeMap<String, u64> {
    let url = format!("{}/-/requests", store.server.endpoint());
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.status(), 200);
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn requests_are_counted_by_kind_and_folder() {
    let store = server::start().await;
    assert_eq!(counts(&store).await, BTreeMap::new());
    store.put("tables/images.lance/data/1.lance", b"one".as_slice()).await;
    store.put("tables/images.lance/data/2.lance", b"two".as_slice()).await;
    store.get("tables/images.lance/data/1.lance").await;
    let listing = store.client.list_objects_v2().bucket(BUCKET).prefix("tables/images.lance/");
    listing.send().await.unwrap();
    store.client.head_bucket().bucket(BUCKET).send().await.unwrap();

    let expected = [
        ("GET pictures/tables/images.lance/data", 1),
        ("HEAD pictures", 1),
        ("LIST pictures/tables/images.lance/", 1),
        ("PUT pictures/tables/images.lance/data", 2),
    ];
    let expected: BTreeMap<String, u64> =
        expected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
    assert_eq!(counts(&store).await, expected, "and asking for the counts does not count");
}
